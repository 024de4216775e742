-- SPDX-License-Identifier: Apache-2.0
-- What the gateway's configuration cannot say. Three texts make one file, gateway/llmdeploy.lua: this one (the configuration, a request's model,
-- the way out), answers.lua (errors in OpenAI's form), counters.lua. Loaded by haproxy.cfg with llmdeploy.conf, which is read once: a reload
-- reads it and the keys again. Nothing here prints, so no prompt and no key can come into a log.

local conf_path = "@GATEWAY@/llmdeploy.conf"
local BODY_LIMIT = 229376 -- of a request, looked at: one buffer less two reserves (haproxy.cfg)

-- 1. What llmdeploy.conf says: words between tabs, one thing a line.

local conf = {buckets = {}, routes = {}, lanes = {}, order = {}, names = {}, folder = "", began = os.time()}

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
		local keys = w[5] ~= "" and w[5] ~= "closed" and Map.new(w[5], Map._str) or nil
		conf.routes[w[2]] = {sockets = w[3], at = w[4], keys = keys, closed = w[5] == "closed"}
		conf.order[#conf.order + 1] = w[2]
	elseif w[1] == "name" then
		conf.names[#conf.names + 1] = {route = w[2], name = w[3]}
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

-- Of a body without a length, what did not end within a part of the buffer may have any size.
local function body_size(txn, body)
	return tonumber(txn.f:req_hdr("content-length") or "") or (#body < 65536 and #body or #body + 1)
end

local function is_whole(txn, body)
	return #body >= body_size(txn, body) and #body <= BODY_LIMIT
end

core.register_action("llmdeploy-body", {"http-req"}, function(txn)
	local body = txn.f:req_body() or ""
	local r = scan_body(body, body_size(txn, body))
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
