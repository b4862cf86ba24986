-- What each call that needs a request, a light thread or a timer says in the phase that this file runs in: it writes
-- PHASE.txt into the folder of the server. Run as init_by_lua_file and init_worker_by_lua_file, by nginx or lasa.

local calls = {
    { "ngx.req.read_body()", function() local a, b = ngx.req.read_body() return a, b end },
    { "ngx.req.discard_body()", function() local a, b = ngx.req.discard_body() return a, b end },
    { "ngx.req.get_body_data()", function() local a, b = ngx.req.get_body_data() return a, b end },
    { "ngx.req.get_body_file()", function() local a, b = ngx.req.get_body_file() return a, b end },
    { "ngx.req.get_headers()", function() local a, b = ngx.req.get_headers() return a, b end },
    { "ngx.req.get_method()", function() local a, b = ngx.req.get_method() return a, b end },
    { "ngx.req.get_post_args()", function() local a, b = ngx.req.get_post_args() return a, b end },
    { "ngx.req.get_uri_args()", function() local a, b = ngx.req.get_uri_args() return a, b end },
    { "ngx.req.http_version()", function() local a, b = ngx.req.http_version() return a, b end },
    { "ngx.req.is_internal()", function() local a, b = ngx.req.is_internal() return a, b end },
    { "ngx.req.raw_header()", function() local a, b = ngx.req.raw_header() return a, b end },
    { "ngx.req.start_time()", function() local a, b = ngx.req.start_time() return a, b end },
    { "ngx.req.finish_body()", function() local a, b = ngx.req.finish_body() return a, b end },
    { "ngx.req.init_body()", function() local a, b = ngx.req.init_body() return a, b end },
    { "ngx.req.socket()", function() local a, b = ngx.req.socket() return a, b end },
    { "ngx.ctx", function() local a, b = ngx.ctx return a, b end },
    { "ngx.ctx=", function() ngx.ctx = {} end },
    { "ngx.req.socket(true)", function() local a, b = ngx.req.socket(true) return a, b end },
    { "ngx.req.set_body_data", function() local a, b = ngx.req.set_body_data("x") return a, b end },
    { "ngx.req.set_body_file", function() local a, b = ngx.req.set_body_file("/etc/hostname") return a, b end },
    { "ngx.req.append_body", function() local a, b = ngx.req.append_body("x") return a, b end },
    { "ngx.req.set_header", function() local a, b = ngx.req.set_header("X", "y") return a, b end },
    { "ngx.req.clear_header", function() local a, b = ngx.req.clear_header("X") return a, b end },
    { "ngx.req.set_method", function() local a, b = ngx.req.set_method(ngx.HTTP_POST) return a, b end },
    { "ngx.req.set_uri", function() local a, b = ngx.req.set_uri("/x") return a, b end },
    { "ngx.req.set_uri jump", function() local a, b = ngx.req.set_uri("/x", true) return a, b end },
    { "ngx.req.set_uri_args", function() local a, b = ngx.req.set_uri_args("a=1") return a, b end },
    { "ngx.var.uri", function() local a, b = ngx.var.uri return a, b end },
    { "ngx.var.foo", function() local a, b = ngx.var.foo return a, b end },
    { "ngx.var[1]", function() local a, b = ngx.var[1] return a, b end },
    { "ngx.var.foo=", function() ngx.var.foo = 1 end },
    { "ngx.header.x", function() local a, b = ngx.header.x return a, b end },
    { "ngx.header.x=", function() ngx.header.x = 1 end },
    { "ngx.resp.get_headers", function() local a, b = ngx.resp.get_headers() return a, b end },
    { "ngx.status", function() local a, b = ngx.status return a, b end },
    { "ngx.status=", function() ngx.status = 200 end },
    { "ngx.headers_sent", function() local a, b = ngx.headers_sent return a, b end },
    { "ngx.is_subrequest", function() local a, b = ngx.is_subrequest return a, b end },
    { "ngx.get_phase", function() local a, b = ngx.get_phase() return a, b end },
    { "ngx.location.capture", function() local a, b = ngx.location.capture("/x") return a, b end },
    { "ngx.location.capture_multi", function() local a, b = ngx.location.capture_multi({ { "/x" } }) return a, b end },
    { "ngx.exec", function() local a, b = ngx.exec("/x") return a, b end },
    { "ngx.redirect", function() local a, b = ngx.redirect("/x") return a, b end },
    { "ngx.send_headers", function() local a, b = ngx.send_headers() return a, b end },
    { "ngx.say", function() local a, b = ngx.say("x") return a, b end },
    { "ngx.print", function() local a, b = ngx.print("x") return a, b end },
    { "ngx.flush", function() local a, b = ngx.flush() return a, b end },
    { "ngx.flush, true", function() local a, b = ngx.flush(true) return a, b end },
    { "ngx.eof", function() local a, b = ngx.eof() return a, b end },
    { "ngx.on_abort", function() local a, b = ngx.on_abort(function() end) return a, b end },
    { "ngx.arg[1]", function() local a, b = ngx.arg[1] return a, b end },
    { "ngx.arg[1]=", function() ngx.arg[1] = "x" end },
    { "ngx.sleep", function() local a, b = ngx.sleep(0.001) return a, b end },
    { "ngx.thread.spawn", function() local a, b = ngx.thread.spawn(function() end) return a, b end },
    { "ngx.thread.wait", function() local a, b = ngx.thread.wait(coroutine.create(function() end)) return a, b end },
    { "ngx.thread.kill", function() local a, b = ngx.thread.kill(coroutine.create(function() end)) return a, b end },
    { "coroutine.create", function() local a, b = coroutine.create(function() end) return a, b end },
    { "coroutine.resume", function()
        local a, b = coroutine.resume(coroutine.create(function() return 5 end))
        return a, b
    end },
    { "coroutine.resume yield", function()
        local a, b = coroutine.resume(coroutine.create(function() coroutine.yield(5) end))
        return a, b
    end },
    { "coroutine.wrap", function() local a, b = coroutine.wrap(function() return 5 end)() return a, b end },
    { "coroutine.status", function()
        local a, b = coroutine.status(coroutine.create(function() return 5 end))
        return a, b
    end },
    { "coroutine.running", function() local a, b = coroutine.running() return a, b end },
    { "coroutine.yield", function() local a, b = coroutine.yield() return a, b end },
    { "ngx.timer.at", function() local a, b = ngx.timer.at(100, function() end) return a, b end },
    { "ngx.timer.every", function() local a, b = ngx.timer.every(100, function() end) return a, b end },
    { "ngx.timer.running_count", function() local a, b = type(ngx.timer.running_count()) return a, b end },
    { "ngx.timer.pending_count", function() local a, b = type(ngx.timer.pending_count()) return a, b end },
    { "ngx.socket.tcp", function() local a, b = ngx.socket.tcp() return a, b end },
    { "ngx.socket.stream", function() local a, b = ngx.socket.stream() return a, b end },
    { "ngx.socket.connect", function() local a, b = ngx.socket.connect("127.0.0.1", 1) return a, b end },
    { "ngx.socket.udp", function() local a, b = ngx.socket.udp() return a, b end },
    { "ngx.semaphore.new", function() local a, b = require "ngx.semaphore".new() return a, b end },
    { "sema:post", function() local s = require "ngx.semaphore".new() local a, b = s:post() return a, b end },
    { "sema:count", function() local s = require "ngx.semaphore".new() local a, b = s:count() return a, b end },
    { "sema:wait ready", function()
        local a, b = require "ngx.semaphore".new(1):wait(0.01)
        return a, b
    end },
    { "sema:wait", function() local s = require "ngx.semaphore".new(0) local a, b = s:wait(0.01) return a, b end },
    { "sema:wait 0", function() local s = require "ngx.semaphore".new(0) local a, b = s:wait(0) return a, b end },
    { "ngx.re.match", function() local a, b = ngx.re.match("abc", "b") return a, b end },
    { "ngx.say table", function() local a, b = ngx.say({ {}, print }) return a, b end },
}

-- nginx does not survive these.
local CRASHES = {
    init = {
        ["ngx.req.socket()"] = true, ["ngx.req.socket(true)"] = true, ["ngx.flush"] = true, ["ngx.flush, true"] = true,
    },
}

local function shown(value)
    local kind = type(value)
    if kind == "boolean" or kind == "number" or kind == "string" or kind == "nil" then return tostring(value) end
    return kind
end

local function run(phase)
    local file = assert(io.open(ngx.config.prefix() .. phase .. ".txt", "w"))
    for _, call in ipairs(calls) do
        local name, f = call[1], call[2]
        if lasa or not (CRASHES[phase] and CRASHES[phase][name]) then
            local ok, first, second = pcall(f)
            file:write(name, ": ", ok and "returns " or "raises ", shown(first), " ", shown(second), "\n")
        end
    end
    file:write("the phase: ", ngx.get_phase(), "\n")
    file:close()
end

local phase = ngx.get_phase()
run(phase)
if phase == "init_worker" then ngx.timer.at(0, function() run "timer" end) end
