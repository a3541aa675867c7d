# redis-servers that keep what they confirm, each with a name, a socket and a directory: sourced by the demonstrations.

declare -A redis_pids=()
start_redis() {
  mkdir -p "$work/redis-$1"
  redis-server --port 0 --unixsocket "$work/redis-$1.sock" --dir "$work/redis-$1" --appendonly yes --save "" \
    --logfile redis.log > /dev/null &
  redis_pids[$1]=$!
  other_pids+=($!)
  wait_for 20 redis_answers "$1"
}
redis_answers() { redis-cli -s "$work/redis-$1.sock" ping 2>/dev/null | grep -q PONG; }
kill_redis() {
  kill -9 "${redis_pids[$1]}"
  wait "${redis_pids[$1]}" 2>/dev/null || true
}
