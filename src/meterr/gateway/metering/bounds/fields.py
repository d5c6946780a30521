"""
The top-level fields of a request that meterr knows, and what each can do to the bounds.

A closed list for each surface. Three kinds: those that change neither what is read nor how much is
billed, those that ``reading`` has a rule for, and those after which nothing bounds the bill. A
field in none of them may make its provider read anything. ``test_bounds_fields`` compares the lists
with the parameters of the installed SDKs, so that a new one is noticed there and placed here.
"""

from collections.abc import Mapping
from types import MappingProxyType

_OPENAI = frozenset(
    {
        *("metadata", "model", "moderation", "parallel_tool_calls"),
        *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
        *("safety_identifier", "service_tier", "store", "stream", "stream_options"),
        *("temperature", "tool_choice", "top_logprobs", "top_p", "user"),
    }
)
_CHAT = frozenset(
    {
        *("frequency_penalty", "function_call", "logit_bias", "logprobs", "max_completion_tokens"),
        *("max_tokens", "n", "presence_penalty", "reasoning_effort", "seed", "stop", "verbosity"),
    }
)
# Sampling and decoding of vLLM, SGLang, DeepSeek, Kimi, Qwen, Mistral, Groq and OpenRouter. Not
# among them: a prompt template, options of a picture's processor, searches, routes to other models.
_COMPATIBLE = frozenset(
    {
        *("add_generation_prompt", "add_special_tokens", "bad_words", "chat_template_kwargs"),
        *("continue_final_message", "do_sample", "guided_choice"),
        *("guided_decoding_backend", "guided_grammar", "guided_json", "guided_regex"),
        *("guided_whitespace_pattern", "ignore_eos", "include_reasoning", "length_penalty"),
        *("include_stop_str_in_output", "min_p", "min_tokens", "priority", "prompt_logprobs"),
        *("prompt_mode", "random_seed", "reasoning", "reasoning_format", "repetition_penalty"),
        *("request_id", "safe_prompt", "separate_reasoning", "session_id", "skip_special_tokens"),
        *("spaces_between_special_tokens", "stop_token_ids", "structured_outputs"),
        *("tool_stream", "top_a", "top_k", "transforms"),
        *("truncate_prompt_tokens", "typical_p", "usage"),
    }
)
_RESPONSES = frozenset(
    {
        *("access_programs", "background", "background_options", "client_metadata", "image"),
        *("include", "max_output_tokens", "truncation"),
    }
)
_MESSAGES = frozenset(
    {
        *("betas", "billing_policy", "cache_control", "diagnostics", "fallback_credit_token"),
        *("max_tokens", "metadata", "model", "service_tier", "speed", "stop_sequences", "stream"),
        *("temperature", "tool_choice", "top_k", "top_p", "user_profile_id", "workspace_id"),
    }
)
_EMBEDDINGS = frozenset(
    {
        *("add_special_tokens", "dimensions", "encoding_format", "input_type", "model"),
        *("priority", "truncate", "truncate_prompt_tokens", "user"),
    }
)

HARMLESS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "openai.chat": _OPENAI | _CHAT | _COMPATIBLE,
        "openai.responses": _OPENAI | _RESPONSES,
        "anthropic.messages": _MESSAGES,
        "openai.embeddings": _EMBEDDINGS,
    }
)
"""Whatever stands in them, no more is read than their own text and nothing is billed for it."""

BOUNDLESS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        # Several computed for one that is answered; models, routes and services at other prices.
        "openai.chat": frozenset(
            {
                *("best_of", "fallbacks", "models", "plugins", "preset", "provider", "route"),
                *("search_parameters", "use_beam_search"),
            }
        ),
        # A compaction is a sampling of its own.
        "openai.responses": frozenset({"best_of", "context_management", "fallbacks", "n"}),
        "anthropic.messages": frozenset({"best_of", "compaction", "fallbacks", "n"}),
        "openai.embeddings": frozenset(),
    }
)
"""What is billed because of them is not bounded by any field, or goes by other prices."""
