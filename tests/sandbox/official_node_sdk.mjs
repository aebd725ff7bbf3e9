// Calls the methods of OpenAI's Node library for files and vector stores, and prints what they return.
//
// node official_node_sdk.mjs FOLDER SCENARIO
//
// FOLDER: the folder of the package. SCENARIO: the name of a function below.
// Prints JSON: {found: what the scenario returns, called: the methods that it calls itself, all: every method}.

import { createReadStream } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, scenario] = process.argv.slice(2);
const { default: OpenAI, toFile } = await import(pathToFileURL(join(folder, "index.mjs")));

const settings = { baseURL: process.env.SANDBOX_URL, apiKey: process.env.SANDBOX_KEY, maxRetries: 0 };
const client = new OpenAI(settings);
const POLL = { pollIntervalMs: 10 };
const STATIC = { type: "static", static: { max_chunk_size_tokens: 200, chunk_overlap_tokens: 50 } };

// the resources as objects of functions, which note each call; the calls within the library are not noted
const called = new Set();
const all = [];

function noted(path, resource) {
  const methods = {};
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(resource))) {
    if (name === "constructor") continue;
    all.push(`${path}.${name}`);
    methods[name] = (...given) => {
      called.add(`${path}.${name}`);
      return resource[name](...given);
    };
  }
  return methods;
}

const files = noted("files", client.files);
const stores = noted("vectorStores", client.vectorStores);
const storeFiles = noted("vectorStores.files", client.vectorStores.files);
const batches = noted("vectorStores.fileBatches", client.vectorStores.fileBatches);

async function collected(list) {
  const items = [];
  for await (const item of list) items.push(item);
  return items;
}

const text = (name, content) => toFile(Buffer.from(content), name);

const scenarios = {
  async uploads() {
    const expires_after = { anchor: "created_at", seconds: 3600 };
    const file = await files.create({ file: await text("a.md", "text"), purpose: "user_data", expires_after });
    const blob = new File(["blob"], "b.md", { type: "text/markdown" });
    const more = await files.create({ file: blob, purpose: "assistants" });
    const stream = await files.create({ file: createReadStream(join(folder, "package.json")), purpose: "user_data" });
    const processed = await files.waitForProcessing(file.id, { pollInterval: 10, maxWait: 10000 });
    return {
      lifetime: file.expires_at - file.created_at,
      request: typeof file._request_id,
      stream: stream.filename,
      package: JSON.parse(await (await files.content(stream.id)).text()).name,
      status: processed.status,
      retrieved: (await files.retrieve(file.id)).filename,
      listed: (await collected(files.list({ purpose: "user_data", order: "asc", limit: 1 }))).map((each) => each.filename),
      content: await (await files.content(file.id)).text(),
      blob: [more.filename, more.bytes, await (await files.content(more.id)).text()],
      deleted: await files.delete(file.id),
      id: file.id,
    };
  },

  async vectorStores() {
    const empty = await stores.create({});
    const store = await stores.create({
      name: "n",
      description: "d",
      file_ids: ["file-new-01"],
      chunking_strategy: { type: "auto" },
      expires_after: { anchor: "last_active_at", days: 7 },
      metadata: { a: "b" },
    });
    const changed = await stores.update(store.id, { name: null, expires_after: null, metadata: { c: "d" } });
    const pages = [];
    for await (const page of (await stores.list({ limit: 2, order: "asc" })).iterPages()) {
      pages.push(page.data.map((each) => each.id));
    }
    const hits = await collected(
      stores.search("vs_demo", {
        query: ["refund policy", "warranty"],
        max_num_results: 2,
        rewrite_query: false,
        ranking_options: { ranker: "auto", score_threshold: 0.1 },
        filters: { type: "or", filters: [{ type: "ne", key: "lang", value: "de" }] },
      }),
    );
    const attributes = { team: "sales", n: 2 };
    await storeFiles.update("file-demo-01", { vector_store_id: "vs_demo", attributes });
    const inTeams = { type: "in", key: "team", value: ["sales", "design"] };
    const filters = { type: "and", filters: [inTeams, { type: "gte", key: "n", value: 2 }] };
    const filtered = await collected(stores.search("vs_demo", { query: "refund", filters }));
    return {
      counts: empty.file_counts,
      ids: [empty.id, store.id],
      changed: [changed.name, changed.expires_after, changed.metadata],
      metadata: (await stores.retrieve(store.id)).metadata,
      pages,
      before: (await stores.list({ before: store.id, order: "asc" })).data.map((each) => each.id),
      filtered: filtered.map((hit) => [hit.filename, hit.attributes]),
      hits: hits.map((hit) => [hit.filename, hit.content[0].type, typeof hit.score]),
      deleted: await stores.delete(store.id),
    };
  },

  async filesOfStores() {
    const given = { file_id: "file-new-01", attributes: { n: 1, x: true, s: "t" }, chunking_strategy: STATIC };
    const attached = await storeFiles.create("vs_archive", given);
    const polled = await storeFiles.poll("vs_archive", "file-new-01", POLL);
    const second = await storeFiles.createAndPoll("vs_archive", { file_id: "file-new-02" }, POLL);
    const uploaded = await storeFiles.upload("vs_archive", await text("b.md", "text"));
    const failed = await storeFiles.uploadAndPoll("vs_archive", await text("c.csv", "1,2"), POLL);
    const where = { vector_store_id: "vs_archive" };
    const changed = await storeFiles.update("file-new-01", { ...where, attributes: { x: false } });
    const cleared = await storeFiles.update("file-new-01", { ...where, attributes: null });
    const byFailure = { filter: "failed", limit: 1, order: "asc" };
    const oldest = await storeFiles.list("vs_archive", { order: "asc", limit: 1 });
    return {
      chunking: attached.chunking_strategy,
      attributes: attached.attributes,
      statuses: [polled.status, second.status, second.last_error, failed.status, failed.last_error.code],
      same: (await storeFiles.retrieve(uploaded.id, where)).id === uploaded.id,
      changed: [changed.attributes, cleared.attributes],
      failed: (await collected(storeFiles.list("vs_archive", byFailure))).map((each) => each.id === failed.id),
      listed: (await collected(storeFiles.list("vs_archive", { limit: 2 }))).length,
      before: (await storeFiles.list("vs_archive", { order: "asc", before: "file-archive-02" })).data.map((each) => each.id),
      next: [oldest.data[0].id, oldest.hasNextPage(), (await oldest.getNextPage()).data[0].id],
      content: (await collected(storeFiles.content("file-new-02", where))).map((part) => part.text),
      detached: await storeFiles.delete("file-new-01", where),
    };
  },

  async fileBatches() {
    const where = { vector_store_id: "vs_archive" };
    const batch = await batches.create("vs_archive", { file_ids: ["file-new-01"], attributes: { n: 1 } });
    const polled = await batches.poll("vs_archive", batch.id, POLL);
    const both = [
      { file_id: "file-new-02", attributes: { n: 2 }, chunking_strategy: STATIC },
      { file_id: "file-new-05" },
    ];
    const second = await batches.createAndPoll("vs_archive", { files: both }, POLL);
    const failed = { ...where, limit: 1, filter: "failed" };
    const given = { files: [await text("a.md", "a"), await text("b.md", "b")], fileIds: ["file-new-03"] };
    const uploaded = await batches.uploadAndPoll("vs_archive", given, { ...POLL, maxConcurrency: 2 });
    const cancelled = await batches.cancel("vsfb_demo_running", { vector_store_id: "vs_demo" });
    return {
      object: batch.object,
      statuses: [polled.status, second.status, uploaded.status],
      counts: [second.file_counts, uploaded.file_counts],
      failed: (await collected(batches.listFiles(second.id, failed))).map((each) => each.id),
      listed: (await collected(batches.listFiles(uploaded.id, { ...where, limit: 1 }))).length,
      same: (await batches.retrieve(uploaded.id, where)).id === uploaded.id,
      cancelled: cancelled.id,
    };
  },

  async errors() {
    const described = async (promise) => {
      try {
        await promise;
      } catch (error) {
        const { status, code, param, type, requestID } = error;
        return [error.constructor.name, status, type, code, param, typeof requestID];
      }
      return [];
    };
    const attach = (file_id) => storeFiles.create("vs_archive", { file_id });
    return {
      store: await described(stores.retrieve("vs_gone")),
      file: await described(files.retrieve("file-gone")),
      attached: await described(storeFiles.retrieve("file-new-01", { vector_store_id: "vs_archive" })),
      batch: await described(batches.retrieve("vsfb_gone", { vector_store_id: "vs_demo" })),
      absent: await described(attach("file-gone")),
      limit: await described(stores.search("vs_demo", { query: "refund", max_num_results: 51 })),
      filter: await described(collected(storeFiles.list("vs_demo", { filter: "done" }))),
      empty: await described(batches.create("vs_demo", { file_ids: [] })),
      purpose: await described(files.create({ file: await text("a.md", "a"), purpose: "anything" })),
      rate: await described(stores.list()),
      server: await described(stores.list()),
      cut: await described(stores.list()),
      timeout: await described(stores.list({}, { timeout: 100 })),
      retried: (await stores.list({}, { maxRetries: 2 })).data.length,
      key: await described(new OpenAI({ ...settings, apiKey: "sk-wrong-0123456789abcdef" }).vectorStores.list()),
    };
  },
};

const found = await scenarios[scenario]();
console.log(JSON.stringify({ found, called: [...called], all }));
