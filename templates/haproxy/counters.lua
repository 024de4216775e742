-- SPDX-License-Identifier: Apache-2.0

-- 9. Counters, from the lines of the access log.

local counts, fallback = {}, {}
local reasons = {"down", "queue", "asked"}
local began_ms = 0
core.register_init(function()
	local now = core.now()
	began_ms = math.floor(now.sec * 1000 + now.usec / 1000)
end)

local function sorted(t)
	local names = {}
	for name in pairs(t) do
		names[#names + 1] = name
	end
	table.sort(names)
	return names
end

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
	'"server":"([^"]*)","end":"([^"]*)","queue_ms":(%-?%d+),"connect_ms":(%-?%d+),"first_ms":(%-?%d+),"total_ms":(%-?%d+).*"caller":"([^"]*)"'

-- Errors are ours: an answer of 500 and more, or one that was cut; not what the client did. An answer of 500 that had begun is one, though its
-- client hung up in it.
local function is_error(status, ended, answered)
	local by = ended:sub(1, 1)
	if by == "C" or by == "c" then
		return answered and status >= 500
	end
	return status >= 500 or (by ~= "-" and by ~= "L" and ended:sub(2, 2) == "D")
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

-- 10. What the clients of a release saw, for the watch and the canary: all of them together, and each client for itself. What a client got
-- wrong (4xx), and what it gave up on before the release was late, is no sample.

local CALLERS = 64
local slots, limits = {}, {}

local function sample()
	return tally({refused = 0, left = 0, late = 0, failed = 0, cut = 0})
end

-- A slot's numbers start again with its release.
local function slot_of(route, server, release)
	local name = route .. "/" .. server
	local s = slots[name]
	if not s or s.release ~= release then
		s = {release = release, all = sample(), callers = {}, n = 0}
		slots[name] = s
	end
	return s
end

-- The numbers of a client. Where there are too many, those of the one with the fewest failures, and among these of the one that was here least
-- lately, are given up.
local function caller_of(s, name)
	local c = s.callers[name]
	if not c then
		local least
		for other, o in pairs(s.n >= CALLERS and s.callers or {}) do
			local l = s.callers[least]
			if not l or o.errors < l.errors or (o.errors == l.errors and o.seen < l.seen) then
				least = other
			end
		end
		if least then
			s.callers[least] = nil
		else
			s.n = s.n + 1
		end
		c = sample()
		s.callers[name] = c
	end
	c.seen = s.all.requests + s.all.refused + s.all.left
	return c
end

-- A request that its client gave up on was late once it waited longer than the limit: for the first byte, queue included (first); at the
-- release alone (served); for the end of an answer that had begun (whole).
local function is_late(name, r)
	local l = limits[name]
	if not l then
		return false
	elseif r.answered then
		return l.whole > 0 and r.total >= l.whole
	end
	return (l.first > 0 and r.total >= l.first) or (l.served > 0 and r.total - r.queued >= l.served)
end

local function take(s, r, late)
	if r.left and not late then
		s.left = s.left + 1
	elseif not r.error and not late and r.status >= 400 then
		s.refused = s.refused + 1
	else
		count(s, {error = r.error or late, timed = r.timed, total = r.total, first = r.first})
		local how = late and "late" or r.error and (r.status >= 500 and "failed" or "cut")
		if how then
			s[how] = s[how] + 1
		end
	end
end

-- The server that what waits in the queue waits for: the one that takes requests.
local function awaited(route)
	for _, slot in ipairs({"a", "b"}) do
		local s = core.backends["r:" .. route].servers[slot]:get_stats()
		if (s.weight or 0) > 0 and not (s.status or ""):find("MAINT", 1, true) and not (s.status or ""):find("DRAIN", 1, true) then
			return slot
		end
	end
	return nil
end

local function add_sample(route, server, release, caller, ended, r)
	if r.left and server == "<NOSRV>" and ended:sub(2, 2) == "Q" and conf.routes[route] then
		server = awaited(route)
		release = server and (releases:lookup(route .. "/" .. server) or "-"):match("^([^|]*)")
	end
	if server ~= "a" and server ~= "b" then
		return
	end
	local s = slot_of(route, server, release)
	local late = r.left and is_late(route .. "/" .. server, r)
	take(s.all, r, late)
	take(caller_of(s, caller), r, late)
	if r.timed and not r.left then
		pace[route] = (pace[route] or r.total - r.queued) * 0.9 + (r.total - r.queued) * 0.1
	end
end

local function add(line)
	local route, path, code, who, reason, release, server, ended, queued, connected, first, total, caller = line:match(LINE)
	if not path or path == "-" or path == "/health" or path == "/v1/models" then
		return
	end
	local status = tonumber(code)
	first = tonumber(first)
	local by = ended:sub(1, 1)
	local by_client, failed = by == "C" or by == "c", is_error(status, ended, first >= 0)
	local r = {error = failed, timed = status < 400 and first >= 0 and not by_client, status = status, left = by_client and not failed,
		queued = math.max(tonumber(queued), 0), answered = first >= 0, total = tonumber(total)}
	r.first = tonumber(queued) + tonumber(connected) + first
	-- The status of an answer that was cut differs by HAProxy's version: 200 up to 2.6, 500 later.
	local class = failed and "5xx" or status // 100 .. "xx"
	local name = table.concat({route, release, who, reason, class}, "\t")
	counts[name] = counts[name] or tally({route = route, release = release, who = who, reason = reason, code = class})
	count(counts[name], r)
	add_sample(route, server, release, caller, ended, r)
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
local function numbers(s)
	return string.format("%d %d %d %d %s %s", s.requests, s.errors, s.refused, s.left, table.concat(s.total, " "), table.concat(s.first, " "))
end

-- Of the release that the slot has now; nothing of the one before it.
local function present(name)
	local s = slots[name]
	return s and s.release == (releases:lookup(name) or "-"):match("^([^|]*)") and s or {all = sample(), callers = {}}
end

-- The limits hold for what ends from now on; 0: none.
core.register_cli({"llmdeploy", "sample"}, "llmdeploy sample ROUTE a|b FIRST_MS SERVED_MS WHOLE_MS : requests of a release",
	function(applet, _, _, route, server, first, served, whole)
		local name = (route or "") .. "/" .. (server or "")
		limits[name] = {first = tonumber(first) or 0, served = tonumber(served) or 0, whole = tonumber(whole) or 0}
		applet:send(string.format("%d %s\n", began_ms, numbers(present(name).all)))
	end)

core.register_cli({"llmdeploy", "clients"}, "llmdeploy clients ROUTE a|b : the same of each client", function(applet, _, _, route, server)
	local s = present((route or "") .. "/" .. (server or ""))
	local out = {string.format("%d", began_ms)}
	for _, name in ipairs(sorted(s.callers)) do
		local c = s.callers[name]
		out[#out + 1] = string.format("%s\t%d %d %d\t%s", name, c.failed, c.cut, c.late, numbers(c))
	end
	applet:send(table.concat(out, "\n") .. "\n")
end)

core.register_cli({"llmdeploy", "fallback"}, "llmdeploy fallback ROUTE : answers from elsewhere", function(applet, _, _, route)
	local out = {string.format("%d", began_ms)}
	for _, reason in ipairs(reasons) do
		local f = elsewhere(route or "", reason)
		out[#out + 1] = string.format("%d %d %d %d", f.requests, f.prompt, f.generated, f.estimated)
	end
	applet:send(table.concat(out, " ") .. "\n")
end)

-- 11. The page for Prometheus.

local function labels(c)
	return string.format('route="%s",release="%s",answered_by="%s",reason="%s"', c.route, c.release, c.who, c.reason)
end

local function help(out, name, kind, text)
	out[#out + 1] = "# HELP " .. name .. " " .. text .. "\n# TYPE " .. name .. " " .. kind
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
