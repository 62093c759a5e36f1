// What somebody does with the generated types: compiled and run by check_typescript_client.py.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type NewConversation = components["schemas"]["NewConversation"];

const LATE = "Where is my parcel? It is three days late.";

declare const process: { argv: string[] };

function sure<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

function same(one: unknown, other: unknown): void {
  if (JSON.stringify(one) !== JSON.stringify(other)) throw new Error(`${JSON.stringify(one)} is not ${JSON.stringify(other)}`);
}

const client = createClient<paths>({ baseUrl: process.argv[2]! });

async function post(): Promise<string[]> {
  const items: NewConversation[] = [1, 2, 3, 4, 5].map((number) => ({
    text: `${LATE} ${number}`,
    timestamp: "2026-11-20T10:00:00Z",
  }));
  const one = sure(await client.POST("/api/v1/conversations", { body: { text: LATE, timestamp: "2026-11-20T10:00:00Z" } }));
  const many = sure(await client.POST("/api/v1/conversations/bulk", { body: items }));
  return [one.conversation_id, ...many.conversation_ids.filter((id) => id !== null)];
}

async function read(ids: string[]): Promise<void> {
  for (const conversation_id of ids) {
    const params = { path: { conversation_id }, query: { wait: 20 } };
    const found = sure(await client.GET("/api/v1/conversations/{conversation_id}", { params }));
    same(found.status, "completed");
  }
  const refused = await client.POST("/api/v1/conversations", { body: {} });
  same(refused.error?.error, "invalid_schema");
}

async function page(ids: string[]): Promise<void> {
  const seen: string[] = [];
  let cursor: string | null | undefined;
  do {
    const query = { limit: 4, ...(cursor ? { cursor } : {}) };
    const found = sure(await client.GET("/api/v1/conversations", { params: { query } }));
    seen.push(...found.conversations.map((each) => each.conversation_id));
    cursor = found.next_cursor;
  } while (cursor);
  same(seen.sort(), ids.sort());
}

async function chat(): Promise<void> {
  const message = { user_id: "c1", user_type: "customer" as const, message_content: LATE };
  const stored = sure(await client.POST("/chats", { body: [message, message] }));
  const conversation_id = stored.conversation_ids[0]!;
  const found = sure(await client.GET("/chats/{conversation_id}", { params: { path: { conversation_id } } }));
  same(found.messages.map((each) => each.message_content), [LATE, LATE]);
}

const ids = await post();
await read(ids);
await page(ids);
await chat();
console.log("posted, read, paged");
