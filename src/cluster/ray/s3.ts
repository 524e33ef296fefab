/** Reading objects of S3-compatible storage. */
import { AwsClient } from "aws4fetch";
import { FailureError, UsageError } from "../../errors.js";

/** Settings as AWS's own tools take them. */
interface S3Settings {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  region: string;
  /** Of other providers than AWS. */
  endpoint?: string;
}

function settings(env: NodeJS.ProcessEnv): S3Settings {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!accessKeyId || !secretAccessKey)
    throw new UsageError("s3 storage: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  return {
    accessKeyId,
    secretAccessKey,
    sessionToken: env.AWS_SESSION_TOKEN || undefined,
    region: env.AWS_REGION || env.AWS_DEFAULT_REGION || "us-east-1",
    endpoint: (env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL)?.replace(/\/+$/, ""),
  };
}

/** HTTPS address of an object: by host name on AWS, by path elsewhere. */
function objectUrl(uri: string, { endpoint, region }: S3Settings): string {
  const [, bucket, key = ""] = /^s3:\/\/([^/]+)\/?(.*)$/.exec(uri)!;
  const path = key.split("/").map(encodeURIComponent).join("/");
  return endpoint ? `${endpoint}/${bucket}/${path}` : `https://${bucket}.s3.${region}.amazonaws.com/${path}`;
}

/**
 * Opens an object `s3://BUCKET/KEY`. Credentials and endpoint are those of AWS's tools: `AWS_ACCESS_KEY_ID`,
 * `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL`. Trouble on the server is tried again.
 * @throws UsageError without credentials, FailureError when the storage refuses or cannot be reached.
 */
export async function openObject(uri: string, env: NodeJS.ProcessEnv = process.env): Promise<Response> {
  const own = settings(env);
  const client = new AwsClient({ ...own, service: "s3", retries: 4 });
  let response: Response;
  try {
    response = await client.fetch(objectUrl(uri, own));
  } catch (error) {
    const { cause, message } = error as Error & { cause?: { code?: string } };
    throw new FailureError(`${uri}: cannot be reached (${cause?.code ?? message})`, { cause: error });
  }
  if (response.ok) return response;
  const text = await response.text().catch(() => "");
  const code = /<Code>([^<]*)<\/Code>/.exec(text)?.[1];
  throw new FailureError(`${uri}: the storage answers ${response.status}${code ? ` (${code})` : ""}`);
}
