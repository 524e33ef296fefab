/** Shapes of Ray's Jobs REST API (docs.ray.io, "Ray Jobs REST API"), the parts that are used. Unknown fields pass. */
import { z } from "zod";

export const versionSchema = z.object({
  ray_version: z.string(),
  /** Changes when the head starts anew. */
  session_name: z.string().nullish(),
});

const jobStatusSchema = z.enum(["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"]);

export const jobSchema = z.object({
  /** Jobs that did not come through this interface have none. */
  submission_id: z.string().nullish(),
  status: jobStatusSchema,
  entrypoint: z.string().nullish(),
  message: z.string().nullish(),
  /** Milliseconds since 1970. */
  start_time: z.number().nullish(),
  end_time: z.number().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
  driver_exit_code: z.number().nullish(),
});

export const jobListSchema = z.array(jobSchema);
export const submittedSchema = z.object({ submission_id: z.string() });
export const logsSchema = z.object({ logs: z.string().nullable() });
export const stoppedSchema = z.object({ stopped: z.boolean() });
export const deletedSchema = z.object({ deleted: z.boolean() });

/** The state API's list of nodes (`GET /api/v0/nodes`). */
export const nodesSchema = z.object({
  data: z.object({
    result: z.object({
      result: z.array(
        z.object({
          state: z.string(),
          /** By name, such as CPU, GPU, memory (bytes) and `accelerator_type:H100`. */
          resources_total: z
            .record(z.string(), z.number())
            .nullish()
            .transform((found) => found ?? {}),
        }),
      ),
    }),
  }),
});

export type RayNode = z.output<typeof nodesSchema>["data"]["result"]["result"][number];
export type JobStatus = z.output<typeof jobStatusSchema>;
export type Job = z.output<typeof jobSchema>;
export type Version = z.output<typeof versionSchema>;

/** What `POST /api/jobs/` takes. */
export interface Submission {
  submission_id: string;
  entrypoint: string;
  runtime_env: Record<string, unknown>;
  metadata: Record<string, string>;
}

/** Whether a job has ended. */
export function ended(status: JobStatus): boolean {
  return status === "SUCCEEDED" || status === "FAILED" || status === "STOPPED";
}
