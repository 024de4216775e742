-- What the gateway's configuration cannot say: which model a request names, the key and the model's name of the way out, and who answered
-- how fast. Loaded by haproxy.cfg with llmdeploy.conf, which is read once: a reload reads it and the keys anew. Nothing here
-- prints, so no prompt and no key can come into a log.

local conf_path = "@GATEWAY@/llmdeploy.conf"
local BODY_LIMIT = 229376 -- of a request, looked at: one buffer less two reserves (haproxy.cfg)

-- 1. What llmdeploy.conf says: words between tabs, one thing a line.

local conf = {buckets = {}, routes = {}, lanes = {}, order = {}, folder = "", began = 0}

local function words_of(line)
	local words = {}
	for w in (line .. "\t"):gmatch("(.-)\t") do
		words[#words + 1] = w
	end
	return words
end

-- The first line of the file, without blanks around it; nil where there is none.
local function read_key(path)
	local f = io.open(path, "r")
	local line = f and f:read("l")
	if f then
		f:close()
	end
	line = line and line:match("^%s*(%S+)%s*$")
	return line
end

for line in io.lines(conf_path) do
	local w = words_of(line)
	if w[1] == "folder" then
		conf.folder = w[2]
	elseif w[1] == "bucket" then
		conf.buckets[#conf.buckets + 1] = tonumber(w[2])
	elseif w[1] == "route" then
		conf.routes[w[2]] = {sockets = w[3]}
		conf.order[#conf.order + 1] = w[2]
	elseif w[1] == "lane" then
		conf.lanes[w[2]] = {model = w[3], wants_key = w[4] ~= "", key = w[4] ~= "" and read_key(w[4]) or nil}
		if w[4] ~= "" and not conf.lanes[w[2]].key then
			core.Alert("route " .. w[2] .. ": the fallback's api_key_file cannot be read: it answers 503")
		end
	end
end

local releases = Map.new(conf.folder .. "/releases.map", Map._str)

-- 2. The top level of a JSON object, as far as it is there.

local find, sub, byte = string.find, string.sub, string.byte

local function end_of_string(s, i)
	local p = i + 1
	while true do
		local q = find(s, '["\\]', p)
		if not q or byte(s, q) == 34 then
			return q
		end
		p = q + 2
	end
end

-- The place behind the value that begins at i; nil: it does not end here.
local function end_of_value(s, i)
	local c = sub(s, i, i)
	if c == '"' then
		local q = end_of_string(s, i)
		return q and q + 1
	end
	if c ~= "{" and c ~= "[" then
		return find(s, "[,}%]%s]", i)
	end
	local depth, p = 0, i
	while true do
		local q = find(s, '[%[%]{}"]', p)
		if not q then
			return nil
		end
		c = sub(s, q, q)
		if c == '"' then
			q = end_of_string(s, q)
			if not q then
				return nil
			end
		elseif c == "{" or c == "[" then
			depth = depth + 1
		else
			depth = depth - 1
			if depth == 0 then
				return q + 1
			end
		end
		p = q + 1
	end
end

local function not_blank(s, i)
	return find(s, "[^ \t\r\n]", i)
end

-- {state, model, first, last, brace}: the state is "whole" (all of it was read), "open" (the model was found, the rest is not here yet), "cut" (it
-- was not found in what is here), or "bad" (no object, two models, a name or key in disguise). first and last are the
-- places of the name's first and last byte, brace that of the object's beginning.
local function scan(s, complete)
	local out = {state = "bad"}
	local p = not_blank(s, 1)
	local function ran_out()
		out.state = complete and "bad" or out.model and "open" or "cut"
		return out
	end
	if not p then
		return ran_out()
	end
	if sub(s, p, p) ~= "{" then
		return out
	end
	out.brace = p
	p = not_blank(s, p + 1)
	out.empty = p and sub(s, p, p) == "}"
	while p and not out.empty do
		if sub(s, p, p) ~= '"' then
			return out
		end
		local q = end_of_string(s, p)
		local colon = q and not_blank(s, q + 1)
		local value = colon and not_blank(s, colon + 1)
		if not value then
			return ran_out()
		end
		local key = sub(s, p + 1, q - 1)
		if sub(s, colon, colon) ~= ":" or find(key, "\\", 1, true) then
			return out
		end
		local after = end_of_value(s, value)
		local then_at = after and not_blank(s, after)
		if key == "model" and after then
			if out.model or sub(s, value, value) ~= '"' then
				return out
			end
			out.model, out.first, out.last = sub(s, value + 1, after - 2), value + 1, after - 2
			if #out.model > 512 or find(out.model, "[%c\\]") then
				return out
			end
		end
		if not then_at then
			return ran_out()
		end
		local c = sub(s, then_at, then_at)
		if c == "}" then
			p = then_at
			break
		elseif c ~= "," then
			return out
		end
		p = not_blank(s, then_at + 1)
	end
	if not p then
		return ran_out()
	end
	if not_blank(s, p + 1) then
		return out
	end
	out.state = "whole"
	return out
end

-- A scan that both looks at a body (here and before it leaves) agree about, however much the buffers hold.
local function scan_body(body, size)
	local r = scan(sub(body, 1, BODY_LIMIT), #body >= size and #body <= BODY_LIMIT)
	return r
end

core.register_action("llmdeploy-body", {"http-req"}, function(txn)
	local body = txn.f:req_body() or ""
	local size = tonumber(txn.f:req_hdr("content-length") or "") or (#body < 65536 and #body or #body + 1)
	local r = scan_body(body, size)
	txn:set_var("txn.body", r.state)
	if r.model and r.state ~= "bad" then
		txn:set_var("txn.model", r.model)
	end
end)

-- 3. The way out.

core.register_action("llmdeploy-key", {"http-req"}, function(txn, route)
	local lane = conf.lanes[route]
	if lane.key then
		txn.http:req_set_header("authorization", "Bearer " .. lane.key)
	elseif lane.wants_key then
		txn:set_var("txn.nokey", true)
	end
end, 1)

-- The body of a chunked request that is here whole, or nil.
local function unchunk(s)
	local parts, p = {}, 1
	while true do
		local _, e, size = find(s, "^(%x+)[^\r\n]*\r\n", p)
		size = size and tonumber(size, 16)
		if not size or #s < e + size + 2 then
			return nil
		end
		if size == 0 then
			return table.concat(parts)
		end
		parts[#parts + 1] = sub(s, e + 1, e + size)
		p = e + size + 3
	end
end

-- The request as it goes out; nil and whether more bytes would help.
local function outgoing(d, model)
	local _, head_end = find(d, "\r\n\r\n", 1, true)
	if not head_end then
		return nil, true
	end
	local head, body = sub(d, 1, head_end - 2), sub(d, head_end + 1)
	local size = tonumber(head:lower():match("\r\ncontent%-length: *(%d+)\r\n") or "")
	if not size then
		body = unchunk(body)
		if not body then
			return nil, true
		end
		size = #body
		head = head:gsub("\r\n[Tt]ransfer%-[Ee]ncoding:[^\r\n]*", "")
	else
		head = head:gsub("\r\n[Cc]ontent%-[Ll]ength:[^\r\n]*", "")
	end
	local r = scan_body(body, size)
	if r.state == "cut" then
		return nil, #body < BODY_LIMIT
	elseif r.state == "bad" then
		return nil, false
	end
	local name = model:gsub('[\\"]', "\\%0")
	local changed
	if r.model then
		changed = sub(body, 1, r.first - 1) .. name .. sub(body, r.last + 1)
	else
		changed = sub(body, 1, r.brace) .. '"model":"' .. name .. (r.empty and '"' or '",') .. sub(body, r.brace + 1)
	end
	return head .. "content-length: " .. (size + #changed - #body) .. "\r\n\r\n" .. changed
end

core.register_action("llmdeploy-model", {"tcp-req"}, function(txn, route)
	local c = txn.req
	while true do
		local d = c:data() or ""
		local text, wait = outgoing(d, conf.lanes[route].model)
		if text then
			txn:set_var("txn.ready", c:set(text) >= 0)
			return
		end
		if not wait or c:data(#d, 1) == nil then
			return
		end
	end
end, 1)

-- 4. Counters, from the lines of the access log.

local counts, slots, fallback = {}, {}, {}
local reasons = {"down", "queue", "asked"}
local began_ms = 0
core.register_init(function()
	local now = core.now()
	began_ms = math.floor(now.sec * 1000 + now.usec / 1000)
end)

local function zeros(n)
	local t = {}
	for i = 1, n do
		t[i] = 0
	end
	return t
end

local function tally(of)
	of.requests, of.errors, of.total_sum, of.first_sum = 0, 0, 0, 0
	of.total, of.first = zeros(#conf.buckets), zeros(#conf.buckets)
	return of
end

local function bucket(ms)
	local b = conf.buckets
	for i = 1, #b - 1 do
		if ms <= b[i] then
			return i
		end
	end
	return #b
end

-- The fields of a line, in the order of haproxy.cfg's log-format, by one look over it: path, then the rest.
local LINE = '"route":"([^"]*)","client":.*"path":"([^"]*)","status":(%-?%d+),"answered_by":"([^"]*)","reason":"([^"]*)","release":"([^"]*)",' ..
	'"server":"([^"]*)","end":"([^"]*)","queue_ms":(%-?%d+),"connect_ms":(%-?%d+),"first_ms":(%-?%d+),"total_ms":(%-?%d+)'

-- Errors are ours: an answer of 500 and more, or one that was cut; not what the client did.
local function is_error(status, ended)
	local by = ended:sub(1, 1)
	return by ~= "C" and by ~= "c" and (status >= 500 or (by ~= "-" and by ~= "L" and ended:sub(2, 2) == "D"))
end

local function count(of, r)
	of.requests = of.requests + 1
	if r.error then
		of.errors = of.errors + 1
	elseif r.timed then
		local t, f = bucket(r.total), bucket(r.first)
		of.total[t], of.total_sum = of.total[t] + 1, of.total_sum + r.total
		of.first[f], of.first_sum = of.first[f] + 1, of.first_sum + r.first
	end
end

-- What was answered elsewhere for this reason.
local function elsewhere(route, reason)
	fallback[route] = fallback[route] or {}
	fallback[route][reason] = fallback[route][reason] or {requests = 0, prompt = 0, generated = 0, estimated = 0}
	return fallback[route][reason]
end

local function add(line)
	local route, path, code, who, reason, release, server, ended, queued, connected, first, total = line:match(LINE)
	if not path or path == "-" or path == "/health" or path == "/v1/models" then
		return
	end
	local status = tonumber(code)
	first = tonumber(first)
	local by = ended:sub(1, 1)
	local r = {error = is_error(status, ended), timed = status < 400 and first >= 0 and by ~= "C" and by ~= "c",
		total = tonumber(total), first = tonumber(queued) + tonumber(connected) + first}
	local class = status // 100 .. "xx"
	local name = table.concat({route, release, who, reason, class}, "\t")
	counts[name] = counts[name] or tally({route = route, release = release, who = who, reason = reason, code = class})
	count(counts[name], r)
	if server == "a" or server == "b" then
		local slot = route .. "/" .. server
		slots[slot] = slots[slot] or tally({})
		count(slots[slot], r)
	end
	if who == "fallback" then
		local f = elsewhere(route, reason)
		f.requests = f.requests + 1
	end
end

-- A line a request, from the ring of haproxy.cfg. Lines of another process (a reload is under way) are not ours to count: we hang up, and
-- its ring finds its own. An action, not a service: in 3.2 a service that waits does not see the end of its connection.
core.register_action("llmdeploy-counts", {"tcp-req"}, function(txn)
	local pid = tonumber(core.get_info()["Pid"])
	while true do
		local line = txn.req:line()
		if type(line) ~= "string" or line == "" then
			return
		end
		if line:sub(1, 1) == "{" then
			if tonumber(line:match('"pid":(%d+)}')) ~= pid then
				return
			end
			add(line)
		end
		txn.req:remove(0, #line)
	end
end)

-- Tokens of what is answered elsewhere, for its cost: by the answer's own "usage" (in a stream its last event has one if the client asked for it),
-- else estimated: four bytes of a question are a token, and so is an event of a stream, or four bytes of another answer.
local Usage = {id = "llmdeploy usage", flags = filter.FLT_CFG_FL_HTX}
Usage.__index = Usage
local USAGE_LIMIT = 4096 -- bytes of a usage that may arrive in pieces

function Usage:new()
	return setmetatable({text = "", bytes = 0, events = 0}, Usage)
end

function Usage:start_analyze(_, channel)
	if channel:is_resp() then
		filter.register_data_filter(self, channel)
	end
end

function Usage:http_payload(_, msg)
	local piece = msg:body()
	if not piece or #piece == 0 then
		return
	end
	local _, events = piece:gsub("data: ?{", "")
	self.bytes, self.events = self.bytes + #piece, self.events + events
	self.text = self.text .. piece
	for usage in self.text:gmatch('"usage"%s*:%s*(%b{})') do
		self.usage = usage
	end
	self.text = self.text:sub(-USAGE_LIMIT)
end

local function said(usage, one, other)
	return usage and tonumber(usage:match('"' .. one .. '"%s*:%s*(%d+)') or usage:match('"' .. other .. '"%s*:%s*(%d+)'))
end

function Usage:end_analyze(txn, channel)
	if not channel:is_resp() or self.bytes == 0 or txn:get_var("txn.status") ~= 200 then
		return
	end
	local f = elsewhere(txn:get_var("txn.lane"), txn:get_var("txn.why") or "down")
	local prompt, generated = said(self.usage, "prompt_tokens", "input_tokens"), said(self.usage, "completion_tokens", "output_tokens")
	if not prompt then
		prompt = ((txn:get_var("txn.size") or 0) + 3) // 4
		generated = self.events > 0 and self.events or (self.bytes + 3) // 4
		f.estimated = f.estimated + 1
	end
	f.prompt, f.generated = f.prompt + prompt, f.generated + (generated or 0)
end

core.register_filter("llmdeploy-usage", Usage, function(class)
	return class
end)

-- The commands of the runtime socket; each answers one line.
core.register_cli({"llmdeploy", "sample"}, "llmdeploy sample ROUTE a|b : requests of a release", function(applet, _, _, route, server)
	local s = slots[(route or "") .. "/" .. (server or "")] or tally({})
	applet:send(string.format("%d %d %d %s %s\n", began_ms, s.requests, s.errors, table.concat(s.total, " "), table.concat(s.first, " ")))
end)

core.register_cli({"llmdeploy", "fallback"}, "llmdeploy fallback ROUTE : answers from elsewhere", function(applet, _, _, route)
	local out = {string.format("%d", began_ms)}
	for _, reason in ipairs(reasons) do
		local f = elsewhere(route or "", reason)
		out[#out + 1] = string.format("%d %d %d %d", f.requests, f.prompt, f.generated, f.estimated)
	end
	applet:send(table.concat(out, " ") .. "\n")
end)

-- 5. The page for Prometheus.

local function labels(c)
	return string.format('route="%s",release="%s",answered_by="%s",reason="%s"', c.route, c.release, c.who, c.reason)
end

local function help(out, name, kind, text)
	out[#out + 1] = "# HELP " .. name .. " " .. text .. "\n# TYPE " .. name .. " " .. kind
end

local function sorted(t)
	local names = {}
	for name in pairs(t) do
		names[#names + 1] = name
	end
	table.sort(names)
	return names
end

local function histogram(out, name, text, which)
	help(out, name, "histogram", text)
	for _, key in ipairs(sorted(counts)) do
		local c, n, common = counts[key], 0, labels(counts[key]) .. ',code="' .. counts[key].code .. '"'
		for i, edge in ipairs(conf.buckets) do
			n = n + c[which][i]
			out[#out + 1] = string.format('%s_bucket{%s,le="%s"} %d', name, common, i == #conf.buckets and "+Inf" or tostring(edge / 1000), n)
		end
		out[#out + 1] = string.format("%s_sum{%s} %.3f\n%s_count{%s} %d", name, common, c[which .. "_sum"] / 1000, name, common, n)
	end
end

local function of_requests(out)
	help(out, "llmdeploy_requests_total", "counter", "Requests, by who answered and why.")
	for _, key in ipairs(sorted(counts)) do
		out[#out + 1] = string.format('llmdeploy_requests_total{%s,code="%s"} %d', labels(counts[key]), counts[key].code, counts[key].requests)
	end
	help(out, "llmdeploy_errors_total", "counter", "Answers of 500 and more, and cut ones; not what clients did.")
	for _, key in ipairs(sorted(counts)) do
		out[#out + 1] = string.format('llmdeploy_errors_total{%s,code="%s"} %d', labels(counts[key]), counts[key].code, counts[key].errors)
	end
	histogram(out, "llmdeploy_request_duration_seconds", "From the request's first byte to the answer's last.", "total")
	histogram(out, "llmdeploy_first_byte_seconds", "From the whole request to the answer's first byte, in the queue or not.", "first")
end

-- A page of an engine, over its socket; nil when it does not answer within a second.
local function fetch(socket, path)
	local s = core.tcp()
	s:settimeout(1)
	if not s:connect("unix@" .. socket) then
		return nil
	end
	s:send("GET " .. path .. " HTTP/1.0\r\nHost: engine\r\nConnection: close\r\n\r\n")
	local text = s:receive("*a")
	s:close()
	return text
end

local function of_engines(out)
	local seen = {prompt = {}, generated = {}}
	for _, route in ipairs(conf.order) do
		for _, slot in ipairs({"a", "b"}) do
			local version, page, prompt, generated = (releases:lookup(route .. "/" .. slot) or "-"):match("^([^|]*)|([^|]*)|([^|]*)|([^|]*)$")
			local server = core.backends["r:" .. route].servers[slot]
			local status = server:get_stats().status or ""
			if version and page ~= "" and not status:find("MAINT", 1, true) and not status:find("DOWN", 1, true) then
				local text = fetch(conf.routes[route].sockets .. "/" .. slot .. ".sock", page) or ""
				for kind, name in pairs({prompt = prompt, generated = generated}) do
					local v = name ~= "" and ("\n" .. text):match("\n" .. name:gsub("%p", "%%%0") .. "{?[^\n ]* ([%d.e+]+)")
					if v then
						table.insert(seen[kind], string.format('llmdeploy_%s_tokens_total{route="%s",release="%s"} %s', kind, route, version, v))
					end
				end
			end
		end
	end
	for kind, text in pairs({prompt = "Tokens of prompts, as the engine counts them.", generated = "Tokens of answers, as the engine counts them."}) do
		help(out, "llmdeploy_" .. kind .. "_tokens_total", "counter", text)
		for _, line in ipairs(seen[kind]) do
			out[#out + 1] = line
		end
	end
end

local function of_elsewhere(out)
	for kind, text in pairs({prompt = "Tokens of questions that were answered elsewhere.", generated = "Tokens of answers from elsewhere."}) do
		help(out, "llmdeploy_fallback_" .. kind .. "_tokens_total", "counter", text)
		for _, route in ipairs(sorted(fallback)) do
			for _, reason in ipairs(sorted(fallback[route])) do
				out[#out + 1] = string.format('llmdeploy_fallback_%s_tokens_total{route="%s",reason="%s"} %d', kind, route, reason, fallback[route][reason][kind])
			end
		end
	end
end

local function of_now(out)
	local now = {{}, {}, {}}
	for _, route in ipairs(conf.order) do
		local backend = core.backends["r:" .. route]
		table.insert(now[1], string.format('llmdeploy_queue{route="%s"} %d', route, backend:get_stats().qcur or 0))
		for _, slot in ipairs({"a", "b"}) do
			local version = (releases:lookup(route .. "/" .. slot) or "-"):match("^([^|]*)")
			local s = backend.servers[slot]:get_stats()
			if version ~= "-" then
				table.insert(now[2], string.format('llmdeploy_in_flight{route="%s",release="%s"} %d', route, version, s.scur or 0))
				table.insert(now[3], string.format('llmdeploy_release_info{route="%s",release="%s",server="%s",state="%s"} 1', route, version, slot,
					(s.status or ""):lower()))
			end
		end
	end
	for i, h in ipairs({{"llmdeploy_queue", "Requests that wait for a place."}, {"llmdeploy_in_flight", "Requests at a release."},
		{"llmdeploy_release_info", "The releases that the route knows, and what state each is in."}}) do
		help(out, h[1], "gauge", h[2])
		for _, line in ipairs(now[i]) do
			out[#out + 1] = line
		end
	end
end

core.register_service("llmdeploy-metrics", "http", function(applet)
	local out = {}
	help(out, "llmdeploy_gateway_start_time_seconds", "gauge", "When the gateway's process began.")
	out[#out + 1] = string.format("llmdeploy_gateway_start_time_seconds %.3f", began_ms / 1000)
	of_now(out)
	of_requests(out)
	of_engines(out)
	of_elsewhere(out)
	local text = table.concat(out, "\n") .. "\n"
	applet:set_status(200)
	applet:add_header("content-type", "text/plain; version=0.0.4")
	applet:add_header("content-length", tostring(#text))
	applet:start_response()
	applet:send(text)
end)
