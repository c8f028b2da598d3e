// The same as `shapes.ts` for checks and Actions: what agents get to see of them.
import { z } from 'plugboard';

const text = z.string().optional();
const number = z.number().optional();
const actor = z.object({ login: text }).optional();

export const checkRun = z.object({
  id: number,
  name: text,
  head_sha: text,
  status: text,
  conclusion: text,
  started_at: text,
  completed_at: text,
  html_url: text,
  details_url: text,
  app: z.object({ slug: text, name: text }).optional(),
  output: z.object({ title: text, summary: text, text, annotations_count: number }).optional(),
});

export const annotation = z.object({
  path: text,
  start_line: number,
  end_line: number,
  annotation_level: text,
  title: text,
  message: text,
  raw_details: text,
});

export const workflow = z.object({ id: number, name: text, path: text, state: text, html_url: text });

export const workflowRun = z.object({
  id: number,
  name: text,
  display_title: text,
  run_number: number,
  run_attempt: number,
  event: text,
  status: text,
  conclusion: text,
  workflow_id: number,
  head_branch: text,
  head_sha: text,
  path: text,
  actor,
  html_url: text,
  created_at: text,
  updated_at: text,
  run_started_at: text,
});

export const job = z.object({
  id: number,
  run_id: number,
  name: text,
  status: text,
  conclusion: text,
  started_at: text,
  completed_at: text,
  html_url: text,
  head_sha: text,
  runner_name: text,
  labels: z.array(z.string()).optional(),
  steps: z
    .array(z.object({ number, name: text, status: text, conclusion: text, started_at: text, completed_at: text }))
    .optional(),
});
