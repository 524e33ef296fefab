/** Reading objects of S3-compatible storage. */
import { AwsClient } from "aws4fetch";
import { FailureError, UsageError } from "../../errors.js";
import { type AwsSettings, awsSettings } from "./aws-profile.js";

/** HTTPS address of an object: by host name on AWS, by path elsewhere. */
function objectUrl(uri: string, { endpoint, region }: AwsSettings): string {
  const [, bucket, key = ""] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(uri)!;
  const path = key.split("/").map(encodeURIComponent).join("/");
  return endpoint ? `${endpoint}/${bucket}/${path}` : `https://${bucket}.s3.${region}.amazonaws.com/${path}`;
}

/**
 * Opens an object `s3://BUCKET/KEY` with the credentials of `awsSettings`. Trouble on the server is tried again.
 * @throws UsageError without credentials, FailureError when the storage refuses or cannot be reached.
 */
export async function openObject(uri: string, env: NodeJS.ProcessEnv = process.env): Promise<Response> {
  const response = await ask(uri, env);
  if (response.ok) return response;
  const code = await errorCode(response);
  throw new FailureError(`${uri}: the storage answers ${response.status}${code ? ` (${code})` : ""}`);
}

/** The same for an object that need not be there; undefined when it is not. */
export async function findObject(uri: string, env: NodeJS.ProcessEnv = process.env): Promise<Response | undefined> {
  const response = await ask(uri, env);
  if (response.ok) return response;
  const code = await errorCode(response);
  if (response.status === 404 && code !== "NoSuchBucket") return undefined;
  throw new FailureError(`${uri}: the storage answers ${response.status}${code ? ` (${code})` : ""}`);
}

/**
 * Asks for an object that need not be there: whether bucket and credentials are good. A storage that hides what is missing
 * from those who may not list (403, AccessDenied) passes.
 * @throws as `openObject`, and UsageError when bucket or credentials are refused.
 */
export async function checkBucket(uri: string, env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const response = await ask(uri, env);
  const code = await errorCode(response);
  if (response.ok || code === "NoSuchKey" || code === "AccessDenied") return;
  if (response.status >= 400 && response.status < 500)
    throw new UsageError(`${uri}: the storage refuses: ${code ?? response.status}; check bucket and credentials`);
  throw new FailureError(`${uri}: the storage answers ${response.status}${code ? ` (${code})` : ""}`);
}

async function ask(uri: string, env: NodeJS.ProcessEnv): Promise<Response> {
  const own = awsSettings(env);
  const client = new AwsClient({ ...own, service: "s3", retries: 4 });
  try {
    return await client.fetch(objectUrl(uri, own));
  } catch (error) {
    const { cause, message } = error as Error & { cause?: { code?: string } };
    throw new FailureError(`${uri}: cannot be reached (${cause?.code ?? message})`, { cause: error });
  }
}

async function errorCode(response: Response): Promise<string | undefined> {
  const text = await response.text().catch(() => "");
  return /<Code>([^<]*)<\/Code>/.exec(text)?.[1];
}
