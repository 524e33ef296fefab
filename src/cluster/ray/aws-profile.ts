/** Credentials as AWS's own tools take them: the environment, else a profile of `~/.aws` (docs.aws.amazon.com, "Configuration and credential file settings"). */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { UsageError } from "../../errors.js";

export interface AwsSettings {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
  region: string;
  /** Of other providers than AWS. */
  endpoint?: string;
}

type Profile = Readonly<Record<string, string>>;

/** What a profile may ask for that takes AWS's own tools. */
const BEYOND = [
  "role_arn",
  "sso_session",
  "sso_start_url",
  "web_identity_token_file",
  "credential_source",
  "source_profile",
];

/**
 * Keys of the environment come first, then those of the profile that `AWS_PROFILE` names (`default`): keys, or the program in
 * `credential_process`. Region and endpoint likewise.
 * @throws UsageError where there are none, and for profiles that need AWS's own tools (roles, SSO): by name, with what to do.
 */
export function awsSettings(env: NodeJS.ProcessEnv): AwsSettings {
  const name = env.AWS_PROFILE || env.AWS_DEFAULT_PROFILE || "default";
  const profile = readProfile(name, env);
  const region = env.AWS_REGION || env.AWS_DEFAULT_REGION || profile.region || "us-east-1";
  const endpoint = (env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL || profile.endpoint_url)?.replace(/\/+$/, "");
  return { ...keys(name, profile, env), region, endpoint };
}

function keys(name: string, profile: Profile, env: NodeJS.ProcessEnv): Omit<AwsSettings, "region" | "endpoint"> {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (accessKeyId && secretAccessKey)
    return { accessKeyId, secretAccessKey, sessionToken: env.AWS_SESSION_TOKEN || undefined };
  if (profile.aws_access_key_id && profile.aws_secret_access_key)
    return {
      accessKeyId: profile.aws_access_key_id,
      secretAccessKey: profile.aws_secret_access_key,
      sessionToken: profile.aws_session_token || undefined,
    };
  if (profile.credential_process) return fromProcess(name, profile.credential_process);
  const beyond = BEYOND.find((key) => profile[key] !== undefined);
  if (beyond)
    throw new UsageError(
      `s3 storage: profile ${name} uses ${beyond}, which evoke does not read; run: eval "$(aws configure export-credentials --profile ${name} --format env)"`,
    );
  throw new UsageError(
    `s3 storage: no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile of ~/.aws in AWS_PROFILE (now ${name})`,
  );
}

const processSchema = z.object({
  Version: z.literal(1),
  AccessKeyId: z.string(),
  SecretAccessKey: z.string(),
  SessionToken: z.string().optional(),
});

/** The user's own configuration names this program, as for AWS's tools. */
function fromProcess(name: string, command: string): Omit<AwsSettings, "region" | "endpoint"> {
  let text: string;
  try {
    text = execFileSync(command, {
      shell: true,
      encoding: "utf8",
      timeout: 60_000,
      stdio: ["ignore", "pipe", "ignore"],
    });
  } catch {
    throw new UsageError(`s3 storage: credential_process of profile ${name} fails; run it by hand to see why`);
  }
  const parsed = processSchema.safeParse(json(text));
  if (!parsed.success)
    throw new UsageError(`s3 storage: credential_process of profile ${name} gives no credentials of version 1`);
  const { AccessKeyId, SecretAccessKey, SessionToken } = parsed.data;
  return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A profile's settings in both files; those of `credentials` win. */
function readProfile(name: string, env: NodeJS.ProcessEnv): Profile {
  const home = join(env.HOME ?? homedir(), ".aws");
  const config = sections(env.AWS_CONFIG_FILE || join(home, "config"));
  const credentials = sections(env.AWS_SHARED_CREDENTIALS_FILE || join(home, "credentials"));
  const found = {
    ...config[name === "default" && config.default ? "default" : `profile ${name}`],
    ...credentials[name],
  };
  const isNamed = Boolean(env.AWS_PROFILE || env.AWS_DEFAULT_PROFILE);
  if (isNamed && Object.keys(found).length === 0) throw new UsageError(`s3 storage: ~/.aws has no profile ${name}`);
  return found;
}

/** An INI file as AWS writes it: indented lines belong to the setting above them and are passed over. */
function sections(path: string): Record<string, Record<string, string>> {
  const found: Record<string, Record<string, string>> = {};
  if (!existsSync(path)) return found;
  let section: Record<string, string> | undefined;
  for (const line of readFileSync(path, "utf8").split(/\r?\n/)) {
    const [, name] = /^\[\s*(.+?)\s*\]/.exec(line) ?? [];
    if (name !== undefined) section = found[name.replace(/\s+/, " ")] ??= {};
    else if (section && /^[^\s#;]/.test(line)) {
      const [, key, value] = /^([^=]+?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      if (key !== undefined) section[key.toLowerCase()] = value!;
    }
  }
  return found;
}
