;; What no SDK would do: a service whose `realloc` spins when it is asked for
;; more than 4 KiB, and whose answers are lists that cannot be.
(module
  (import "[export]picolet:service/service@1.0.0" "[task-return]handle"
    (func $return (param i32 i32 i32 i32 i32 i32 i32)))
  (import "[export]picolet:service/service@1.0.0" "[stream-new-0]handle"
    (func $stream (result i64)))
  (memory (export "memory") 1)
  (global $calls (mut i32) (i32.const 0))

  ;; Where texts and lists lie, and how long they are: name, version, root,
  ;; description, metadata, methods.
  (data (i32.const 16) (i32 512 3 516 5 522 4 0 0 0 0 64 8))
  ;; The same of each method: name, verb, pattern, description, metadata.
  (data (i32.const 64) (i32
    529 5 600 3 528 6 0 0 0 0
    537 4 600 3 536 5 0 0 0 0
    545 4 600 3 544 5 0 0 0 0
    553 5 600 3 552 6 0 0 0 0
    561 4 600 3 560 5 0 0 0 0
    569 6 600 3 568 7 0 0 0 0
    577 7 600 3 576 8 0 0 0 0
    585 12 600 3 584 13 0 0 0 0))
  (data (i32.const 512) "raw")
  (data (i32.const 516) "1.0.0")
  (data (i32.const 522) "/raw")
  (data (i32.const 528) "/state")
  (data (i32.const 536) "/head")
  (data (i32.const 544) "/body")
  (data (i32.const 552) "/fault")
  (data (i32.const 560) "/long")
  (data (i32.const 568) "/handle")
  (data (i32.const 576) "/streams")
  (data (i32.const 584) "/some-streams")
  (data (i32.const 600) "GET")

  (func (export "picolet:service/service@1.0.0#describe") (result i32)
    (i32.const 16))

  (func (export "[async-lift]picolet:service/service@1.0.0#handle")
    (param $method i32) (param i64 i32 i32 i32 i32 i32) (result i32)
    (local $streams i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (local.set $streams (i32.const 10000))
    (block $streams (block $some (block $handle (block $long (block $fault (block $body (block $head (block $state
      (br_table $state $head $body $fault $long $handle $streams $some (local.get $method)))
      ;; state: how many calls this instance has seen, as one digit.
      (i32.store8 (i32.const 640) (i32.add (i32.const 48) (global.get $calls)))
      (call $return (i32.const 0) (i32.const 200) (i32.const 0) (i32.const 0)
        (i32.const 1) (i32.const 640) (i32.const 1))
      (return (i32.const 0)))
      ;; head: a block of 4 GiB.
      (call $return (i32.const 0) (i32.const 200) (i32.const 0) (i32.const -1)
        (i32.const 0) (i32.const 0) (i32.const 0))
      (return (i32.const 0)))
      ;; body: 4 GiB at once.
      (call $return (i32.const 0) (i32.const 200) (i32.const 0) (i32.const 0)
        (i32.const 1) (i32.const 0) (i32.const -1))
      (return (i32.const 0)))
      ;; fault: with a message of 4 GiB.
      (call $return (i32.const 1) (i32.const 500) (i32.const 512) (i32.const 3)
        (i32.const 0) (i32.const -1) (i32.const 0))
      (return (i32.const 0)))
      ;; long: a body that is all there, and more than is handed over at once.
      (drop (memory.grow (i32.const 272)))
      (call $return (i32.const 0) (i32.const 200) (i32.const 0) (i32.const 0)
        (i32.const 1) (i32.const 0) (i32.const 0x1100000))
      (return (i32.const 0)))
      ;; handle: a stream that does not exist.
      (call $return (i32.const 0) (i32.const 200) (i32.const 0) (i32.const 0)
        (i32.const 2) (i32.const 7) (i32.const 8))
      (return (i32.const 0)))
      ;; some-streams, and below it streams: opens a thousand or ten thousand,
      ;; leaves them open, and answers.
      (local.set $streams (i32.const 1000)))
    (loop $more
      (drop (call $stream))
      (local.set $streams (i32.sub (local.get $streams) (i32.const 1)))
      (br_if $more (local.get $streams)))
    (call $return (i32.const 0) (i32.const 200) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0))
    (i32.const 0))

  (func (export "[callback][async-lift]picolet:service/service@1.0.0#handle")
    (param i32 i32 i32) (result i32)
    unreachable)

  (func (export "cabi_realloc") (param i32 i32 i32) (param $bytes i32) (result i32)
    (if (i32.lt_u (i32.const 4096) (local.get $bytes))
      (then (loop (br 0))))
    (i32.const 4096)))
