-- Replays receipts that were signed before, each once: a line of the file is path, signature and form, tab between them.
-- Arguments: the file; how long a connection pauses between two, on average, in milliseconds (0: not at all); and
-- "again" to begin anew at the end of the file, for a counterpart to whom all are alike.
local lines, pause, again = {}, 0, false
local threads = {}
used, given = 0, 0 -- seen by done(), which runs elsewhere

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  for line in io.lines(args[1]) do
    local path, signature, form = line:match("^(.-)\t(.-)\t(.*)$")
    lines[#lines + 1] = { path, signature, form }
  end
  given = #lines
  pause, again = tonumber(args[2]), args[3] == "again"
  math.randomseed(1)
end

function request()
  used = again and used % #lines + 1 or used + 1
  -- once all are used, requests go where nothing is, and the run does not count
  local line = lines[used] or { "/none/left", "", "" }
  return wrk.format("POST", line[1], {
    ["Content-Type"] = "application/x-www-form-urlencoded",
    ["X-Twilio-Signature"] = line[2],
    ["User-Agent"] = "TwilioProxy/1.1",
  }, line[3])
end

function delay()
  return pause > 0 and math.floor(math.random() * 2 * pause + 0.5) or 0
end

function done(summary, latency, requests)
  local errors, short = summary.errors, false
  for _, thread in ipairs(threads) do
    short = short or thread:get("used") > thread:get("given")
  end
  io.write(string.format(
    '\n{"short": %s, "requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50": %.3f, "p99": %.3f, "longest": %.3f}\n',
    tostring(short), summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
