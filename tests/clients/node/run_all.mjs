// Drives meterr with the official SDKs and prints one JSON line per call:
// {"name": ..., "answer": ..., "ids": [...]}, where ids are meterr's request ids of the calls it made.
// Usage: METERR_BASE_URL=http://... METERR_API_KEY=... node run_all.mjs

import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';

const { METERR_BASE_URL: root, METERR_API_KEY: apiKey } = process.env;
const gpt = 'gpt-4o-mini';
const claude = 'claude-haiku-4-5';
const messages = [{ role: 'user', content: 'How is the weather in Rome?' }];
const schema = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};
const format = { type: 'json_schema', name: 'weather', strict: true, schema };
const chatTool = { type: 'function', function: { name: 'weather', parameters: schema } };
const responsesTool = { type: 'function', name: 'weather', strict: false, parameters: schema };
const messagesTool = { name: 'weather', input_schema: schema };

let ids = [];
const noting = async (url, init) => {
  const answer = await fetch(url, init);
  ids.push(answer.headers.get('x-meterr-request-id'));
  return answer;
};
const openai = new OpenAI({ baseURL: `${root}/v1`, apiKey, fetch: noting, maxRetries: 0 });
const slashed = new OpenAI({ baseURL: `${root}/v1/`, apiKey, fetch: noting, maxRetries: 0 });
const anthropic = new Anthropic({ baseURL: root, apiKey, fetch: noting, maxRetries: 0 });

const collect = async (stream) => {
  const found = [];
  for await (const each of stream) found.push(each);
  return found;
};
const refused = async (promise) => {
  try {
    await promise;
  } catch (error) {
    return `${error.constructor.name} ${error.status ?? ''}`.trim();
  }
  return 'no error';
};
const asked = (more = {}) => ({ model: claude, max_tokens: 100, messages, ...more });

const calls = {
  async chat() {
    const answer = await openai.chat.completions.create({ model: gpt, messages });
    return answer.choices[0].message.content;
  },
  async chat_slashed() {
    const answer = await slashed.chat.completions.create({ model: gpt, messages });
    return answer.choices[0].message.content;
  },
  async chat_stream() {
    const stream = await openai.chat.completions.create({ model: gpt, messages, stream: true });
    return (await collect(stream)).map((chunk) => chunk.choices[0].delta.content ?? '').join('');
  },
  async chat_stream_helper() {
    return await openai.chat.completions.stream({ model: gpt, messages }).finalContent();
  },
  async chat_parse() {
    const answer = await openai.chat.completions.parse({
      model: gpt,
      messages,
      response_format: { type: 'json_schema', json_schema: { name: 'weather', schema } },
    });
    return Object.keys(JSON.parse(answer.choices[0].message.content));
  },
  async chat_tools() {
    const answer = await openai.chat.completions.create({
      model: gpt,
      messages,
      tools: [chatTool],
      tool_choice: 'required',
    });
    return answer.choices[0].message.tool_calls[0].function.name;
  },
  async embeddings() {
    const answer = await openai.embeddings.create({ model: 'text-embedding-3-small', input: 'hi' });
    return answer.data[0].embedding.length;
  },
  async embeddings_as_floats() {
    const answer = await openai.embeddings.create({
      model: 'text-embedding-3-small',
      input: 'hi',
      encoding_format: 'float',
    });
    return typeof answer.data[0].embedding[0];
  },
  async responses() {
    return (await openai.responses.create({ model: gpt, input: 'hi' })).output_text;
  },
  async responses_stream() {
    const stream = await openai.responses.create({ model: gpt, input: 'hi', stream: true });
    return (await collect(stream)).at(-1).type;
  },
  async responses_stream_helper() {
    const final = await openai.responses.stream({ model: gpt, input: 'hi' }).finalResponse();
    return final.output_text;
  },
  async responses_parse() {
    const answer = await openai.responses.parse({ model: gpt, input: 'hi', text: { format } });
    return Object.keys(JSON.parse(answer.output_text));
  },
  async responses_tools() {
    const answer = await openai.responses.create({
      model: gpt,
      input: 'hi',
      tools: [responsesTool],
      tool_choice: 'required',
    });
    return answer.output[0].name;
  },
  async messages() {
    return (await anthropic.messages.create(asked())).content[0].text;
  },
  async messages_stream() {
    const stream = await anthropic.messages.create(asked({ stream: true }));
    return (await collect(stream)).at(-1).type;
  },
  async messages_stream_helper() {
    return await anthropic.messages.stream(asked()).finalText();
  },
  async messages_tools() {
    const answer = await anthropic.messages.create(
      asked({ tools: [messagesTool], tool_choice: { type: 'any' } }),
    );
    return answer.content[0].name;
  },
  async count_tokens() {
    return (await anthropic.messages.countTokens({ model: claude, messages })).input_tokens > 0;
  },
  async models() {
    const names = (await collect(openai.models.list())).map((model) => model.id);
    return names.includes(gpt) && (await openai.models.retrieve(gpt)).id;
  },
  async models_of_anthropic() {
    const names = (await collect(anthropic.models.list({ limit: 2 }))).map((model) => model.id);
    return names.includes(claude) && (await anthropic.models.retrieve(claude)).id;
  },
  async unknown_model() {
    return await refused(openai.chat.completions.create({ model: 'nosuch', messages }));
  },
  async unknown_model_of_anthropic() {
    return await refused(anthropic.messages.create(asked({ model: 'nosuch' })));
  },
  async wrong_key() {
    const stranger = openai.withOptions({ apiKey: 'sk-meterr_live_wrong' });
    return await refused(stranger.chat.completions.create({ model: gpt, messages }));
  },
  async cut_stream() {
    const simulate = { cut_after: 2 };
    const stream = openai.chat.completions.stream({ model: gpt, messages, simulate });
    return await refused(stream.finalContent());
  },
  async cut_stream_of_anthropic() {
    const simulate = { cut_after: 3 };
    return await refused(anthropic.messages.stream(asked({ simulate })).finalText());
  },
};

for (const [name, call] of Object.entries(calls)) {
  ids = [];
  const answer = await call();
  console.log(JSON.stringify({ name, answer, ids }));
}
