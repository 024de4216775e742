-- SPDX-License-Identifier: Apache-2.0

-- 4. JSON, strictly (RFC 8259): what a client sends, and what a runtime says of an error.

local NULL = {kind = "null"}
local JSON_DEPTH = 100

-- The text between the quotes as it is there, and the place behind them; nil: none.
local function read_string(s, i)
	local p = i + 1
	while true do
		local q = find(s, '[\0-\31"\\]', p)
		local c = q and byte(s, q)
		if c == 34 then
			return sub(s, i + 1, q - 1), q + 1
		elseif c ~= 92 then
			return nil
		end
		if find(s, '^["\\/bfnrt]', q + 1) then
			p = q + 2
		elseif find(s, "^u%x%x%x%x", q + 1) then
			p = q + 6
		else
			return nil
		end
	end
end

local function read_number(s, i)
	local _, last = find(s, "^-?%d+", i)
	if not last or find(s, "^-?0%d", i) then
		return nil
	end
	last = select(2, find(s, "^%.%d+", last + 1)) or last
	last = select(2, find(s, "^[eE][+-]?%d+", last + 1)) or last
	return tonumber(sub(s, i, last)), last + 1
end

local read_value

-- The members between brackets: each read by `member`, which returns the place behind it.
local function read_members(s, i, close, member)
	local p = not_blank(s, i + 1)
	if p and sub(s, p, p) == close then
		return p + 1
	end
	while p do
		p = member(p)
		p = p and not_blank(s, p)
		local c = p and sub(s, p, p)
		if c == close then
			return p + 1
		elseif c ~= "," then
			return nil
		end
		p = not_blank(s, p + 1)
	end
	return nil
end

local function read_object(s, i, depth)
	local out = {kind = "object", fields = {}}
	return out, read_members(s, i, "}", function(p)
		local key, after = nil, nil
		if byte(s, p) == 34 then
			key, after = read_string(s, p)
		end
		local colon = after and not_blank(s, after)
		local at = colon and sub(s, colon, colon) == ":" and not_blank(s, colon + 1)
		if not at then
			return nil
		end
		local value, ended = read_value(s, at, depth + 1)
		out.fields[key] = value
		return ended
	end)
end

local function read_array(s, i, depth)
	local out = {kind = "array"}
	return out, read_members(s, i, "]", function(p)
		local value, ended = read_value(s, p, depth + 1)
		out[#out + 1] = value
		return ended
	end)
end

-- The value that begins at i, and the place behind it; nil there: it is none.
function read_value(s, i, depth)
	local c = sub(s, i, i)
	if c == '"' then
		return read_string(s, i)
	elseif c == "{" or c == "[" then
		if depth >= JSON_DEPTH then
			return nil
		end
		return (c == "{" and read_object or read_array)(s, i, depth)
	elseif find(s, "^true", i) then
		return true, i + 4
	elseif find(s, "^false", i) then
		return false, i + 5
	elseif find(s, "^null", i) then
		return NULL, i + 4
	end
	return read_number(s, i)
end

-- The one value of a text, or nil.
local function decode(s)
	local p = not_blank(s, 1)
	if not p then
		return nil
	end
	local value, after = read_value(s, p, 0)
	if not after or not_blank(s, after) then
		return nil
	end
	return value
end

local function kind_of(v)
	return type(v) == "table" and v.kind or v == nil and "null" or type(v)
end

-- 5. What a request must look like, before it takes a place at a release. Only what no runtime takes is refused here.

local words = {string = "a text", number = "a number", boolean = "true or false", array = "a list", object = "an object"}

local fields = {
	model = {"string"}, stream = {"boolean"}, stream_options = {"object"}, user = {"string"}, temperature = {"number"}, top_p = {"number"},
	n = {"number"}, seed = {"number"}, max_tokens = {"number"}, max_completion_tokens = {"number"}, max_output_tokens = {"number"},
	presence_penalty = {"number"}, frequency_penalty = {"number"}, stop = {"string", "array"}, tools = {"array"}, tool_choice = {"string", "object"},
	response_format = {"object"}, logit_bias = {"object", "array"}, parallel_tool_calls = {"boolean"},
}
local texts = {
	["/v1/chat/completions"] = {messages = {"array"}}, ["/v1/completions"] = {prompt = {"string", "array"}},
	["/v1/responses"] = {input = {"string", "array"}}, ["/v1/embeddings"] = {input = {"string", "array"}},
}

-- nil, or what is wrong with the value.
local function wrong_kind(name, value, wanted)
	local kind, said = kind_of(value), {}
	if kind == "null" then
		return nil
	end
	for _, w in ipairs(wanted) do
		if w == kind then
			return nil
		end
		said[#said + 1] = words[w]
	end
	return {code = "invalid_type", param = name, text = "'" .. name .. "' is " .. (words[kind] or kind) .. ", and must be " .. table.concat(said, " or ")}
end

-- Members of a list, each an object whose fields are of these kinds.
local function wrong_member(name, list, wanted)
	for i, v in ipairs(kind_of(list) == "array" and list or {}) do
		local at = name .. "[" .. (i - 1) .. "]"
		local wrong = kind_of(v) == "null" and {code = "invalid_type", param = at, text = "'" .. at .. "' is null, and must be an object"} or
			wrong_kind(at, v, {"object"})
		for key, kinds in pairs(wanted) do
			wrong = wrong or wrong_kind(at .. "." .. key, v.fields[key], kinds)
		end
		if wrong then
			return wrong
		end
	end
	return nil
end

local function wrong_message(list)
	local wrong = wrong_member("messages", list, {role = {"string"}, content = {"string", "array"}})
	for i, m in ipairs(not wrong and kind_of(list) == "array" and list or {}) do
		wrong = wrong or wrong_member("messages[" .. (i - 1) .. "].content", m.fields.content, {type = {"string"}, text = {"string"}})
	end
	return wrong
end

local function wrong_request(path, body)
	local v = decode(body)
	if v == nil then
		return {code = "invalid_json", text = "the body is not valid JSON"}
	elseif kind_of(v) ~= "object" then
		return {code = "invalid_json", text = "the body must be a JSON object"}
	end
	for name, kinds in pairs(fields) do
		local wrong = wrong_kind(name, v.fields[name], kinds)
		if wrong then
			return wrong
		end
	end
	for name, kinds in pairs(texts[path] or {}) do
		local wrong = wrong_kind(name, v.fields[name], kinds)
		if wrong then
			return wrong
		end
	end
	if path ~= "/v1/chat/completions" then
		return nil
	end
	return wrong_message(v.fields.messages) or wrong_member("tools", v.fields.tools, {type = {"string"}, ["function"] = {"object"}})
end

local escapes = {['"'] = '\\"', ["\\"] = "\\\\"}

-- As it is between the quotes of JSON.
local function quoted(text)
	text = utf8.len(text) and text or text:gsub("[\128-\255]", "?")
	return (text:gsub('[%c"\\]', function(c)
		return escapes[c] or " "
	end))
end

local function set_fault(txn, fault)
	txn:set_var("txn.fault", fault.status)
	txn:set_var("txn.fault_text", quoted(fault.text))
	txn:set_var("txn.fault_code", fault.code)
	txn:set_var("txn.fault_type", fault.kind or "invalid_request_error")
	txn:set_var("txn.fault_param", fault.param and '"' .. fault.param .. '"' or "null")
end

-- Of a body that is here whole: what does not fit in the buffer is the runtime's to refuse.
core.register_action("llmdeploy-check", {"http-req"}, function(txn)
	local body = txn.f:req_body() or ""
	if not is_whole(txn, body) then
		return
	end
	local wrong = wrong_request(txn:get_var("txn.path"), body)
	if wrong then
		wrong.status = 400
		set_fault(txn, wrong)
	end
end)

-- 6. What a runtime says of an error, in OpenAI's form: whose fault it is, and a sentence for the client's author. A runtime's words about its own
-- flags and files are for its operator, whose log has them.

local NOT_OFFERED = "this model does not offer %s here; GET /v1/models lists what is served, and /v1/chat/completions asks it"
local sentences = {
	context = {status = 400, code = "context_length_exceeded", param = "messages",
		text = "the prompt, with the answer that is asked for, is longer than this model's context: shorten it"},
	media = {status = 400, code = "unsupported", param = "messages", text = "this model takes text only: leave out images, audio, video and files"},
	tools = {status = 400, code = "unsupported", param = "tools", text = "this model does not call tools as it is served here: leave out 'tools' and 'tool_choice'"},
	path = {status = 404, code = "unsupported"},
	model = {status = 404, code = "model_not_found", param = "model", text = "no such model here: GET /v1/models lists those that there are"},
	request = {status = 400, code = "invalid_value"},
}

-- By what the runtimes say, in lower case: llama.cpp, vLLM, SGLang, Ollama, mlx-lm. The first that is found decides.
local sayings = {
	{"exceed_context_size", "context"}, {"exceeds the available context", "context"}, {"maximum context length", "context"},
	{"model's context length", "context"}, {"context window", "context"}, {"prompt is too long", "context"}, {"input is too long", "context"},
	{"input length exceeds", "context"}, {"exceeds the maximum allowed length", "context"}, {"exceeds the context length", "context"},
	{"image input is not supported", "media"}, {"audio input is not supported", "media"}, {"video input is not supported", "media"},
	{"not a multimodal model", "media"}, {"does not support image", "media"}, {"does not support multimodal", "media"}, {"does not support audio", "media"},
	{"does not support vision", "media"}, {"at most 0 image", "media"}, {"at most 0 audio", "media"}, {"at most 0 video", "media"}, {"mmproj", "media"},
	{"only 'text' content type is supported", "media"}, {"missing data required for image input", "media"},
	{"does not support tools", "tools"}, {"tool use is not supported", "tools"}, {"tools are not supported", "tools"}, {"enable-auto-tool-choice", "tools"},
	{"tool-call-parser", "tools"}, {"tools param requires", "tools"},
	{"support embedding", "path"}, {"support the embedding", "path"}, {"support chat", "path"}, {"support the chat", "path"}, {"support generate", "path"},
	{"support completion", "path"}, {"support the completion", "path"}, {"support responses", "path"}, {"support rerank", "path"},
	{"model_not_found", "model"}, {"try pulling it first", "model"},
	{"failed to parse messages", "request"}, {"failed to parse tools", "request"}, {"json.exception", "request"}, {"jsondecodeerror", "request"},
	{"failed to parse grammar", "request"}, {"json schema", "request"}, {"validation error", "request"}, {"must alternate", "request"},
	{"system role not supported", "request"}, {"unknown role", "request"}, {"unexpected message role", "request"}, {"invalid image", "request"},
	{"failed to decode image", "request"}, {"failed to load image", "request"},
}

local unescaped = {n = " ", r = " ", t = " ", b = "", f = ""}

local function plain(text)
	text = text:gsub("\\u%x%x%x%x", "?"):gsub("\\(.)", function(c)
		return unescaped[c] or c
	end)
	return text
end

-- {text, kind, code, param, prompt, context}, as far as the body says so.
local function said_error(body)
	local v = decode(body)
	local top = kind_of(v) == "object" and v.fields or {}
	local e = kind_of(top.error) == "object" and top.error.fields or top
	local function text(x)
		return type(x) == "string" and plain(x) or nil
	end
	return {text = text(e.message) or text(top.error) or text(top.detail) or "", kind = text(e.type) or "", code = text(e.code), param = text(e.param),
		prompt = tonumber(e.n_prompt_tokens), context = tonumber(e.n_ctx)}
end

-- The runtime's words without what is its own affair: nil where nothing is left.
local function readable(text)
	text = text:gsub("%[json%.exception[^%]]*%] ?", ""):gsub("%s*%-? ?hint:.*", ""):gsub("; tools = .*", ""):gsub("%s+", " ")
	if text == "" or find(text, "%-%-%a") or find(text, "mmproj") or find(text, "Traceback") or find(text, "%.py") then
		return nil
	end
	return sub(text, 1, 300)
end

local function saying(e)
	local text = (e.kind .. " " .. (e.code or "") .. " " .. e.text):lower()
	for _, s in ipairs(sayings) do
		if find(text, s[1], 1, true) then
			return s[2]
		end
	end
	return nil
end

-- What the client is told: status, text, code, kind, param.
local function translate(status, path, e)
	local what = saying(e)
	if status == 501 or ((status == 404 or status == 405) and what ~= "model" and not find(e.text:lower(), "model", 1, true)) then
		what = "path"
	elseif status == 404 and not what then
		what = "model"
	end
	local s = what and sentences[what]
	if s then
		local out = {status = s.status, code = s.code, param = s.param, text = s.text}
		if what == "path" then
			out.text = NOT_OFFERED:format(path)
		elseif what == "request" then
			out.text = readable(e.text) or "the request cannot be answered as it is"
		elseif what == "context" and e.prompt and e.context then
			out.text = string.format("the prompt has %d tokens, and this model's context %d: shorten it", e.prompt, e.context)
		end
		return out
	end
	local code = e.code and find(e.code, "^[%w_.-]+$") and not tonumber(e.code) and e.code
	local param = e.param and find(e.param, "^[%w_.%[%]-]+$") and e.param
	if status == 429 then
		return {status = 429, kind = "rate_limit_error", code = code or "rate_limit_exceeded", text = readable(e.text) or "too many requests: try again"}
	elseif status < 500 then
		return {status = 400, code = code or "bad_request", param = param, text = readable(e.text) or "the request cannot be answered as it is"}
	elseif status == 503 then
		return {status = 503, kind = "server_error", code = "unavailable", text = "the model server cannot answer now: try again"}
	end
	return {status = 500, kind = "server_error", code = "internal_error", text = "the model server failed at this request"}
end

core.register_action("llmdeploy-fault", {"http-res"}, function(txn)
	local fault = translate(txn.f:status(), txn:get_var("txn.path") or "this path", said_error(txn.f:res_body() or ""))
	set_fault(txn, fault)
end)

-- 7. The models of an address: its routes, with keys those that the client's key may use.

local function may_use(route, hash)
	local r = conf.routes[route]
	return not r.closed and (not r.keys or (hash and r.keys:lookup(hash)) ~= nil)
end

local function model_json(name)
	return string.format('{"id":"%s","object":"model","created":%d,"owned_by":"llmdeploy"}', name, conf.began)
end

local function respond(applet, status, text)
	applet:set_status(status)
	applet:add_header("content-type", "application/json")
	applet:add_header("content-length", tostring(#text))
	if status == 401 then
		applet:add_header("www-authenticate", "Bearer")
	end
	applet:start_response()
	applet:send(text)
end

local function error_json(code, param, text)
	return string.format('{"error":{"message":"%s","type":"invalid_request_error","param":%s,"code":"%s"}}', text, param, code)
end

local CLOSED = '{"error":{"message":"no release can answer now: try again","type":"server_error","param":null,"code":"unavailable"}}'

-- The routes that the request may see: of its address, or the one in its path. Where there are others, the status for who may see none: 503 if
-- their keys cannot be loaded, 401 if a key is all that it takes.
local function visible(applet)
	local at, one, hash, out, locked = applet:get_var("txn.at"), applet:get_var("txn.route"), applet:get_var("txn.bearer"), {}, nil
	for _, route in ipairs(conf.order) do
		if conf.routes[route].at == at and (not one or one == route) then
			if may_use(route, hash) then
				out[#out + 1] = route
			else
				locked = conf.routes[route].closed and (locked or 503) or 401
			end
		end
	end
	return out, locked
end

core.register_service("llmdeploy-models", "http", function(applet)
	local routes, locked = visible(applet)
	local wanted = applet.path:match("^/v1/models/(.*)$")
	if #routes == 0 and locked == 503 then
		return respond(applet, 503, CLOSED)
	elseif #routes == 0 and locked then
		return respond(applet, 401, error_json("invalid_api_key", "null", "no valid API key: send Authorization: Bearer KEY"))
	elseif not wanted then
		local list = {}
		for i, route in ipairs(routes) do
			list[i] = model_json(route)
		end
		return respond(applet, 200, '{"object":"list","data":[' .. table.concat(list, ",") .. "]}")
	end
	local known = {}
	for _, route in ipairs(routes) do
		known[route] = true
	end
	wanted = wanted:gsub("%%(%x%x)", function(x)
		return string.char(tonumber(x, 16))
	end)
	local found = known[wanted]
	for _, n in ipairs(conf.names) do
		found = found or (n.name == wanted and known[n.route])
	end
	if not found then
		return respond(applet, 404, error_json("model_not_found", '"model"', "no such model here: GET /v1/models lists those that there are"))
	end
	respond(applet, 200, model_json(wanted))
end)

-- 8. Retry-After: when a place will be free for this client, by the queue and by how long a release takes for an answer. Clients that were sent
-- away are reckoned with, so that they do not all come back at once.

local pace, promised = {}, {} -- of each route: milliseconds of an answer, the moment that the last client was sent away for
local RETRY_MOST, PACE_FIRST = 60, 1000
math.randomseed(os.time())

local function now_ms()
	local now = core.now()
	return now.sec * 1000 + now.usec // 1000
end

-- Questions that the releases of a route answer at once.
local function places(route)
	local n = 0
	for _, slot in ipairs({"a", "b"}) do
		local s = core.backends["r:" .. route].servers[slot]:get_stats()
		local up = (s.status or ""):find("UP", 1, true) or s.status == "no check"
		n = n + (up and (s.weight or 0) > 0 and (s.slim or 1) or 0)
	end
	return n
end

core.register_fetches("llmdeploy-retry", function(txn)
	local route = txn:get_var("txn.route")
	if not route or not conf.routes[route] then
		return 2
	end
	local n = places(route)
	if n == 0 then
		return math.random(2, 5)
	end
	local each, now = (pace[route] or PACE_FIRST) / n, now_ms()
	local queued = core.backends["r:" .. route]:get_stats().qcur or 0
	local at = math.max(now + (queued + 1) * each, promised[route] or 0) + each
	promised[route] = math.min(at, now + RETRY_MOST * 1000)
	local seconds = math.ceil((at - now) * (1 + math.random() / 4) / 1000)
	return seconds <= RETRY_MOST and math.max(1, seconds) or math.random(RETRY_MOST // 2, RETRY_MOST)
end)
