-- Replays receipts that were signed before, each once: a line of the file is path, signature and form, tab between them.
-- Arguments: the file; how long a connection pauses between two, on average, in milliseconds (0: not at all); and
-- "again" to begin anew at the end of the file, for a counterpart to whom all are alike.
local lines, next_line, pause, again = {}, 0, 0, false

function init(args)
  for line in io.lines(args[1]) do
    local path, signature, form = line:match("^(.-)\t(.-)\t(.*)$")
    lines[#lines + 1] = { path, signature, form }
  end
  pause, again = tonumber(args[2]), args[3] == "again"
  math.randomseed(1)
end

function request()
  next_line = again and next_line % #lines + 1 or next_line + 1
  -- those that are too many go where nothing is: they count as errors
  local line = lines[next_line] or { "/none/left", "", "" }
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
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50": %.3f, "p99": %.3f, "longest": %.3f}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
