-- The budget of one provider key, as in budget.py. Times are seconds of Redis's own clock.
-- KEYS: the key's state, the processes that use it. ARGV: what to do, then numbers ('' for none).
local MINUTE, HEADROOM, CREDIT, LEARN = 60, 0.97, 0.25, 30
local SLOWER, SLOWER_EVERY, SLOWEST = 0.95, 2, 0.1
local FASTER, MUCH_FASTER, MUCH_AFTER, FASTEST = 1.0005, 1.005, 100, 8
local FIRST_PAUSE, LONGEST_PAUSE, MEASURED = 0.5, 60, 2
local KEPT, SEEN = 3600, 60

local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local verb, process = ARGV[1], ARGV[2]
local set_requests, set_tokens = tonumber(ARGV[3]), tonumber(ARGV[4])

local state = {}
local stored = redis.call('HGETALL', KEYS[1])
for i = 1, #stored, 2 do state[stored[i]] = tonumber(stored[i + 1]) end
local function get(name, default) return state[name] or default or 0 end
local function argument(i) return tonumber(ARGV[i]) end

local function least(one, other)
  if one == 0 then return other end
  if other == 0 then return one end
  return math.min(one, other)
end

local function named()
  return set_requests + set_tokens + get('said_requests') + get('said_tokens') > 0
end

local function quota()
  if not named() then return get('guessed_requests'), get('guessed_tokens') end
  return least(set_requests, get('said_requests')), least(set_tokens, get('said_tokens'))
end

local function cost(amount, per_minute)
  if per_minute == 0 then return 0 end
  return amount * MINUTE / (per_minute * HEADROOM * get('speed', 1))
end

local function missing(remaining, reset, needed, per_minute)
  if not remaining or per_minute == 0 or remaining >= needed then return 0 end
  return math.min((needed - remaining) * MINUTE / per_minute, reset or LONGEST_PAUSE)
end

local function guess(measured, old)
  if old == 0 then return measured end
  return math.min(old * SLOWER, math.max(measured, old / 2))
end

local function learn(requests, tokens)
  if requests and requests > 0 then state.said_requests = requests end
  if tokens and tokens > 0 then state.said_tokens = tokens end
end

local function slow_down()
  state.slowed_at, state.answers = now, 0
  if named() then
    state.speed = math.max(SLOWEST, get('speed', 1) * SLOWER)
    return
  end
  local per_minute = MINUTE / math.max(MEASURED, now - get('since', now))
  local speed = get('speed', 1)
  state.guessed_requests = guess(get('measured_requests') * per_minute, get('guessed_requests') * speed)
  state.guessed_tokens = guess(get('measured_tokens') * per_minute, get('guessed_tokens') * speed)
  state.speed, state.measured_requests, state.measured_tokens, state.since = 1, 0, 0, now
end

local function speed_up()
  if named() then
    state.speed = math.min(1, get('speed', 1) * FASTER)
  else
    local faster = get('answers') > MUCH_AFTER and MUCH_FASTER or FASTER
    state.speed = math.min(FASTEST, get('speed', 1) * faster)
  end
end

-- After a flush the caller says what it knows: how far ahead it had reserved, and the limits.
local function begin(reserved, requests, tokens)
  learn(requests, tokens)
  if get('said_requests') + get('said_tokens') > 0 then state.known = 1 end
  state.next_requests = math.max(get('next_requests'), now + reserved)
  state.next_tokens = math.max(get('next_tokens'), now + reserved)
  state.begun = 1
end

local function take(tokens, most_wait)
  if get('begun') == 0 then begin(argument(7), argument(8), argument(9)) end
  local requests_pm, tokens_pm = quota()
  if get('known') == 0 and requests_pm + tokens_pm == 0 then
    if now < get('learning_until') then return 0, math.min(1, state.learning_until - now) end
    state.learning_until = now + LEARN
  end
  local start = math.max(now, get('paused_until'))
  if requests_pm > 0 then start = math.max(start, get('next_requests')) end
  if tokens_pm > 0 then start = math.max(start, get('next_tokens')) end
  if start - now > most_wait then return 0, start - now end
  state.next_requests = math.max(get('next_requests', start), start - CREDIT) + cost(1, requests_pm)
  state.next_tokens = math.max(get('next_tokens', start), start - CREDIT) + cost(tokens, tokens_pm)
  return 1, start - now
end

local function answered()
  local extra, tokens = argument(5), argument(6)
  state.known, state.learning_until, state.refusals = 1, 0, 0
  state.answers = get('answers') + 1
  learn(argument(7), argument(10))
  speed_up()
  local requests_pm, tokens_pm = quota()
  state.next_requests = math.max(
    get('next_requests', now), now + missing(argument(8), argument(9), 1, requests_pm))
  state.next_tokens = math.max(
    get('next_tokens', now) + cost(extra, tokens_pm),
    now + missing(argument(11), argument(12), tokens, tokens_pm))
  state.since = get('since', now)
  state.measured_requests = get('measured_requests') + 1
  state.measured_tokens = get('measured_tokens') + tokens
  if now - state.since > MINUTE / 2 then
    state.measured_requests = state.measured_requests / 2
    state.measured_tokens = state.measured_tokens / 2
    state.since = (now + state.since) / 2
  end
end

local function refused()
  state.known, state.learning_until = 1, 0
  learn(argument(6), argument(7))
  local own = math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ^ math.min(get('refusals'), 16))
  state.refusals = get('refusals') + 1
  local pause = argument(5)
  if not pause or pause == 0 then pause = own end
  state.paused_until = math.max(get('paused_until'), now + pause)
  if now - get('slowed_at') >= SLOWER_EVERY then slow_down() end
end

local granted, wait = 1, 0
if verb == 'take' then granted, wait = take(argument(5), argument(6))
elseif verb == 'pause' then wait = math.max(0, get('paused_until') - now)
elseif verb == 'answered' then answered()
elseif verb == 'refused' then refused()
elseif verb == 'failed' then state.learning_until = 0
end

if verb ~= 'pause' then
  for name, value in pairs(state) do
    redis.call('HSET', KEYS[1], name, string.format('%.6f', value))
  end
  redis.call('EXPIRE', KEYS[1], KEPT)
end
redis.call('ZADD', KEYS[2], now, process)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - SEEN)
redis.call('EXPIRE', KEYS[2], KEPT)

local requests_pm, tokens_pm = quota()
local function text(number) return string.format('%.6f', number) end
return {
  granted, text(wait), text(requests_pm), text(tokens_pm), redis.call('ZCARD', KEYS[2]),
  text(get('said_requests')), text(get('said_tokens')),
}
