import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { UsageError } from "../../errors.js";
import { awsSettings } from "./aws-profile.js";

const home = mkdtempSync(join(tmpdir(), "evoke-aws-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));
mkdirSync(join(home, ".aws"));
const program = `${process.execPath} -e 'process.stdout.write(JSON.stringify({ Version: 1, AccessKeyId: "P", SecretAccessKey: "q", SessionToken: "r" }))'`;
writeFileSync(
  join(home, ".aws", "config"),
  `# comment
[default]
region = eu-west-1
[profile work]
region=eu-central-1
endpoint_url = https://s3.example.org/
s3 =
  addressing_style = path
[profile  tool]
credential_process = ${program}
[profile broken]
credential_process = exit 3
[profile role]
role_arn = arn:aws:iam::1:role/x
source_profile = default
[profile sso]
sso_session = x
[profile empty]
region = us-west-2
`,
);
writeFileSync(
  join(home, ".aws", "credentials"),
  "[default]\naws_access_key_id = D\naws_secret_access_key = d/+=x\n[work]\naws_access_key_id=W\naws_secret_access_key=w\naws_session_token = t\n",
);
const of = (env: NodeJS.ProcessEnv) => awsSettings({ HOME: home, ...env });

describe("credentials of AWS", () => {
  it.each([
    [{}, { accessKeyId: "D", secretAccessKey: "d/+=x", region: "eu-west-1" }],
    [
      { AWS_PROFILE: "work" },
      { accessKeyId: "W", sessionToken: "t", region: "eu-central-1", endpoint: "https://s3.example.org" },
    ],
    [{ AWS_PROFILE: "tool" }, { accessKeyId: "P", secretAccessKey: "q", sessionToken: "r" }],
    [
      { AWS_PROFILE: "work", AWS_REGION: "x" },
      { accessKeyId: "W", region: "x" },
    ],
    [
      { AWS_ACCESS_KEY_ID: "E", AWS_SECRET_ACCESS_KEY: "e" },
      { accessKeyId: "E", region: "eu-west-1" },
    ],
  ])("%j", (env, wanted) => expect(of(env)).toMatchObject(wanted));

  it.each([
    ["role", /profile role uses role_arn, .*aws configure export-credentials --profile role/],
    ["sso", /profile sso uses sso_session/],
    ["broken", /credential_process of profile broken fails/],
    ["empty", /no credentials; .*AWS_PROFILE \(now empty\)/],
    ["none", /no profile none/],
  ])("refuses profile %s by name", (AWS_PROFILE, words) => {
    expect(() => of({ AWS_PROFILE })).toThrow(UsageError);
    expect(() => of({ AWS_PROFILE })).toThrow(words);
  });
});
