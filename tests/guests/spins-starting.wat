;; A service whose start function spins, one time in four. So it can be
;; described now and then, and its instances can be made now and then.
(module
  (import "wasi:random/insecure@0.2.0" "get-insecure-random-u64" (func $random (result i64)))
  (import "[export]picolet:service/service@1.0.0" "[task-return]handle"
    (func $return (param i32 i32 i32 i32 i32 i32 i32)))
  (memory (export "memory") 1)

  ;; Where texts and lists lie, and how long they are: name, version, root,
  ;; description, metadata, methods.
  (data (i32.const 16) (i32 256 14 272 5 278 15 0 0 0 0 64 1))
  ;; The same of each method: name, verb, pattern, description, metadata.
  (data (i32.const 64) (i32 296 4 304 3 312 5 0 0 0 0))
  (data (i32.const 256) "spins-starting")
  (data (i32.const 272) "1.0.0")
  (data (i32.const 278) "/spins-starting")
  (data (i32.const 296) "good")
  (data (i32.const 304) "GET")
  (data (i32.const 312) "/good")

  (func $start
    (if (i64.eqz (i64.and (call $random) (i64.const 3)))
      (then (loop (br 0)))))
  (start $start)

  (func (export "picolet:service/service@1.0.0#describe") (result i32)
    (i32.const 16))
  (func (export "[async-lift]picolet:service/service@1.0.0#handle")
    (param i32 i64 i32 i32 i32 i32 i32) (result i32)
    ;; 200, no headers, no body.
    (call $return (i32.const 0) (i32.const 200) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0))
    (i32.const 0))
  (func (export "[callback][async-lift]picolet:service/service@1.0.0#handle")
    (param i32 i32 i32) (result i32)
    unreachable)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (i32.const 4096)))
