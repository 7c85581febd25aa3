-- Asks Portcullis about a request, for HAProxy 2.6 or newer: haproxy.cfg beside this file loads it.
-- Whatever goes wrong, nothing passes: the request goes on only past the last line of `ask`.

local gate = os.getenv("GATE_UPSTREAM") or "127.0.0.1:8787"
local secret = os.getenv("GATE_SECRET")
local timeout = 2000 -- milliseconds; HAProxy asks up to four times before it gives up

-- What the application is told, always: from the answer alone, and empty where the answer has nothing.
local identity = { "cf-access-jwt-assertion", "cf-access-authenticated-user-email", "cookie" }

-- What of an answer that is no admission goes to the client.
local answered = {
	"location", "set-cookie", "www-authenticate", "content-type", "content-security-policy", "cache-control", "x-request-id",
}

-- Of this connection alone, or said anew to Portcullis.
local own = {
	connection = true, host = true, upgrade = true, te = true, trailer = true, expect = true,
	["content-length"] = true, ["transfer-encoding"] = true, ["keep-alive"] = true, ["proxy-connection"] = true,
}

-- A name as applications may read it that take underscores and dots for hyphens.
local function folded(name)
	return (name:lower():gsub("[^%w]", "-"))
end

-- Names by which only a proxy may say what is asked for, and by whom.
local function is_of_proxies(name)
	return name == "forwarded" or name == "x-real-ip" or name == "x-rewrite-url"
		or name:find("^x%-forwarded%-") or name:find("^x%-original%-") or name:find("^x%-portcullis%-")
end

-- Every value of a header of an answer or a request, from the first on.
local function values_of(lines)
	local values, at = {}, lines[0] == nil and 1 or 0
	while lines[at] ~= nil do
		values[#values + 1] = lines[at]
		at = at + 1
	end
	return values
end

local function refuse(txn, status)
	local reply = txn:reply({ status = status })
	reply:add_header("cache-control", "no-store")
	txn:done(reply)
end

-- The question: what the client said of itself, and what HAProxy knows of the request.
local function question(txn, headers, host)
	local asked = {}
	for name, lines in pairs(headers) do
		if not own[name] and not is_of_proxies(folded(name)) then asked[name] = values_of(lines) end
	end
	asked["host"] = { gate }
	asked["x-forwarded-for"] = { txn.sf:src() }
	asked["x-portcullis-method"] = { txn.sf:method() }
	asked["x-portcullis-scheme"] = { txn.sf:ssl_fc() == 1 and "https" or "http" }
	asked["x-portcullis-host"] = { host }
	asked["x-portcullis-target"] = { txn.sf:pathq() }
	if secret then asked["x-portcullis-forward-auth-secret"] = { secret } end
	return asked
end

-- The answer as it is: a redirect to sign-in, a refusal.
local function copy(txn, answer)
	local reply = txn:reply({ status = answer.status })
	for _, name in ipairs(answered) do
		for _, value in ipairs(values_of(answer.headers[name] or {})) do reply:add_header(name, value) end
	end
	if answer.body then reply:set_body(answer.body) end
	txn:done(reply)
end

-- The identity headers as the answer has them, and nothing that the client said in their place.
local function pass(txn, headers, answer)
	for name in pairs(headers) do
		local one = folded(name)
		if one == "cookie" or one:find("^cf%-") or one:find("^portcullis%-") then txn.http:req_del_header(name) end
	end
	for _, name in ipairs(identity) do
		txn.http:req_set_header(name, values_of(answer.headers[name] or {})[1] or "")
	end
end

local function ask(txn)
	local headers = txn.http:req_get_headers()
	local hosts = values_of(headers["host"] or {})
	if #hosts ~= 1 then return refuse(txn, 400) end
	local answer = core.httpclient():get({
		url = "http://" .. gate .. "/portcullis/forward-auth/haproxy",
		headers = question(txn, headers, hosts[1]),
		timeout = timeout,
	})
	if not answer or not answer.status or answer.status < 200 then return refuse(txn, 503) end
	if answer.status ~= 200 then return copy(txn, answer) end
	local assertion = values_of(answer.headers["cf-access-jwt-assertion"] or {})[1] or ""
	local admitted = values_of(answer.headers["portcullis-admitted"] or {})[1] or ""
	if assertion == "" and admitted ~= "anyone" then return refuse(txn, 503) end
	pass(txn, headers, answer)
	txn:set_var("txn.portcullis_admitted", true)
end

core.register_action("portcullis", { "http-req" }, ask)
