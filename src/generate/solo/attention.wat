;; Attention of one new position over the cache.

;; Rotary position: heads of two halves of `half` bytes, of which values at the same place form a pair.
(func $rotate (param $x i32) (param $cos i32) (param $sin i32) (param $heads i32) (param $half i32)
  (local $i i32) (local $other i32) (local $fours i32)
  (local $a v128) (local $b v128) (local $c v128) (local $s v128) (local $a1 f32) (local $b1 f32) (local $c1 f32) (local $s1 f32)
  (local.set $fours (i32.and (local.get $half) (i32.const -16)))
  (loop $head
    (local.set $other (i32.add (local.get $x) (local.get $half)))
    (local.set $i (i32.const 0))
    (block $done
      (br_if $done (i32.eqz (local.get $fours)))
      (loop $four
        (local.set $a (v128.load (local.get $x)))
        (local.set $b (v128.load (local.get $other)))
        (local.set $c (v128.load (i32.add (local.get $cos) (local.get $i))))
        (local.set $s (v128.load (i32.add (local.get $sin) (local.get $i))))
        (v128.store (local.get $x)
          (f32x4.sub (f32x4.mul (local.get $a) (local.get $c)) (f32x4.mul (local.get $b) (local.get $s))))
        (v128.store (local.get $other)
          (f32x4.add (f32x4.mul (local.get $b) (local.get $c)) (f32x4.mul (local.get $a) (local.get $s))))
        (local.set $x (i32.add (local.get $x) (i32.const 16)))
        (local.set $other (i32.add (local.get $other) (i32.const 16)))
        (br_if $four (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $fours)))))
    (block $done
      (br_if $done (i32.eq (local.get $i) (local.get $half)))
      (loop $one
        (local.set $a1 (f32.load (local.get $x)))
        (local.set $b1 (f32.load (local.get $other)))
        (local.set $c1 (f32.load (i32.add (local.get $cos) (local.get $i))))
        (local.set $s1 (f32.load (i32.add (local.get $sin) (local.get $i))))
        (f32.store (local.get $x)
          (f32.sub (f32.mul (local.get $a1) (local.get $c1)) (f32.mul (local.get $b1) (local.get $s1))))
        (f32.store (local.get $other)
          (f32.add (f32.mul (local.get $b1) (local.get $c1)) (f32.mul (local.get $a1) (local.get $s1))))
        (local.set $x (i32.add (local.get $x) (i32.const 4)))
        (local.set $other (i32.add (local.get $other) (i32.const 4)))
        (br_if $one (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (local.get $half)))))
    (local.set $x (local.get $other))
    (br_if $head (local.tee $heads (i32.sub (local.get $heads) (i32.const 1))))))

;; The new position's keys or values, [heads, size] in bytes, to their place in a cache [heads, capacity, size].
(func $append (param $new i32) (param $cache i32) (param $heads i32) (param $size i32) (param $capacity i32)
  (local.set $cache (i32.add (local.get $cache) (i32.mul (i32.load (i32.const 16)) (local.get $size))))
  (loop $head
    (memory.copy (local.get $cache) (local.get $new) (local.get $size))
    (local.set $new (i32.add (local.get $new) (local.get $size)))
    (local.set $cache (i32.add (local.get $cache) (i32.mul (local.get $capacity) (local.get $size))))
    (br_if $head (local.tee $heads (i32.sub (local.get $heads) (i32.const 1))))))

;; Attention of the query heads that share a key head, over this thread's part of the positions: those in the cache and
;; the new one, of which the last `window` where that is not 0. For each head `out` gets the values' sum by shares [size],
;; then the largest score and the sum of shares, of which `merge` makes the whole. Four positions at a time, a quarter of
;; the part apart (as rows of `product`); places up to three behind the end get no share.
(func $attend (param $q i32) (param $keys i32) (param $values i32) (param $out i32) (param $scores i32) (param $heads i32)
    (param $size i32) (param $window i32) (param $softCap f32) (param $thread i32)
  (local $first i32) (local $count i32) (local $from i32) (local $rows i32) (local $quarter i32) (local $u i32) (local $g i32)
  (local $step i32) (local $line i32) (local $stop i32) (local $p i32) (local $o i32) (local $end i32)
  (local $k0 i32) (local $k1 i32) (local $k2 i32) (local $k3 i32) (local $stride i32)
  (local $a0 v128) (local $a1 v128) (local $a2 v128) (local $a3 v128) (local $v v128) (local $most v128) (local $place v128)
  (local.set $count (i32.add (i32.load (i32.const 16)) (i32.const 1)))
  (if (i32.and (i32.ne (local.get $window) (i32.const 0)) (i32.gt_s (local.get $count) (local.get $window)))
    (then (local.set $first (i32.sub (local.get $count) (local.get $window)))))
  (local.set $count (i32.sub (local.get $count) (local.get $first)))
  (local.set $from (i32.div_u (i32.mul (local.get $count) (local.get $thread)) (i32.load (i32.const 24))))
  (local.set $rows
    (i32.sub
      (i32.div_u
        (i32.mul (local.get $count) (i32.add (local.get $thread) (i32.const 1)))
        (i32.load (i32.const 24)))
      (local.get $from)))
  (local.set $from (i32.mul (i32.add (local.get $from) (local.get $first)) (local.get $size)))
  (local.set $quarter (i32.shr_u (i32.add (local.get $rows) (i32.const 3)) (i32.const 2)))
  (local.set $step (i32.mul (local.get $quarter) (local.get $size)))
  (local.set $line (i32.shl (local.get $quarter) (i32.const 2)))
  (local.set $stride (i32.add (local.get $size) (i32.const 16)))
  (memory.fill (local.get $out) (i32.const 0) (i32.mul (local.get $heads) (local.get $stride)))
  (if (i32.eqz (local.get $rows))
    (then
      (loop $head
        (f32.store (i32.add (local.get $out) (local.get $size)) (f32.const -1e30))
        (local.set $out (i32.add (local.get $out) (local.get $stride)))
        (br_if $head (local.tee $heads (i32.sub (local.get $heads) (i32.const 1)))))
      (return)))

  ;; Scores [heads, 4 · quarter].
  (local.set $k0 (i32.add (local.get $keys) (local.get $from)))
  (local.set $k1 (i32.add (local.get $k0) (local.get $step)))
  (local.set $k2 (i32.add (local.get $k1) (local.get $step)))
  (local.set $k3 (i32.add (local.get $k2) (local.get $step)))
  (local.set $u (i32.const 0))
  (loop $four
    (local.set $o (local.get $q))
    (local.set $p (i32.add (local.get $scores) (i32.shl (local.get $u) (i32.const 2))))
    (local.set $g (local.get $heads))
    (loop $head
      (local.set $a0 (v128.const i32x4 0 0 0 0))
      (local.set $a1 (v128.const i32x4 0 0 0 0))
      (local.set $a2 (v128.const i32x4 0 0 0 0))
      (local.set $a3 (v128.const i32x4 0 0 0 0))
      (local.set $end (i32.add (local.get $o) (local.get $size)))
      (if (i32.and (local.get $size) (i32.const 16))
        (then
          (local.set $v (v128.load (local.get $o)))
          (local.set $a0 (f32x4.mul (local.get $v) (v128.load (local.get $k0))))
          (local.set $a1 (f32x4.mul (local.get $v) (v128.load (local.get $k1))))
          (local.set $a2 (f32x4.mul (local.get $v) (v128.load (local.get $k2))))
          (local.set $a3 (f32x4.mul (local.get $v) (v128.load (local.get $k3))))
          (local.set $o (i32.add (local.get $o) (i32.const 16)))
          (local.set $k0 (i32.add (local.get $k0) (i32.const 16)))
          (local.set $k1 (i32.add (local.get $k1) (i32.const 16)))
          (local.set $k2 (i32.add (local.get $k2) (i32.const 16)))
          (local.set $k3 (i32.add (local.get $k3) (i32.const 16)))))
      (loop $part
        (local.set $v (v128.load (local.get $o)))
        (local.set $a0 (f32x4.add (local.get $a0) (f32x4.mul (local.get $v) (v128.load (local.get $k0)))))
        (local.set $a1 (f32x4.add (local.get $a1) (f32x4.mul (local.get $v) (v128.load (local.get $k1)))))
        (local.set $a2 (f32x4.add (local.get $a2) (f32x4.mul (local.get $v) (v128.load (local.get $k2)))))
        (local.set $a3 (f32x4.add (local.get $a3) (f32x4.mul (local.get $v) (v128.load (local.get $k3)))))
        (local.set $v (v128.load offset=16 (local.get $o)))
        (local.set $a0 (f32x4.add (local.get $a0) (f32x4.mul (local.get $v) (v128.load offset=16 (local.get $k0)))))
        (local.set $a1 (f32x4.add (local.get $a1) (f32x4.mul (local.get $v) (v128.load offset=16 (local.get $k1)))))
        (local.set $a2 (f32x4.add (local.get $a2) (f32x4.mul (local.get $v) (v128.load offset=16 (local.get $k2)))))
        (local.set $a3 (f32x4.add (local.get $a3) (f32x4.mul (local.get $v) (v128.load offset=16 (local.get $k3)))))
        (local.set $k0 (i32.add (local.get $k0) (i32.const 32)))
        (local.set $k1 (i32.add (local.get $k1) (i32.const 32)))
        (local.set $k2 (i32.add (local.get $k2) (i32.const 32)))
        (local.set $k3 (i32.add (local.get $k3) (i32.const 32)))
        (br_if $part (i32.lt_u (local.tee $o (i32.add (local.get $o) (i32.const 32))) (local.get $end))))
      (f32.store (local.get $p) (call $sum (local.get $a0)))
      (f32.store (i32.add (local.get $p) (local.get $line)) (call $sum (local.get $a1)))
      (f32.store (i32.add (local.get $p) (i32.shl (local.get $line) (i32.const 1))) (call $sum (local.get $a2)))
      (f32.store (i32.add (local.get $p) (i32.mul (local.get $line) (i32.const 3))) (call $sum (local.get $a3)))
      (local.set $p (i32.add (local.get $p) (i32.shl (local.get $line) (i32.const 2))))
      (local.set $k0 (i32.sub (local.get $k0) (local.get $size)))
      (local.set $k1 (i32.sub (local.get $k1) (local.get $size)))
      (local.set $k2 (i32.sub (local.get $k2) (local.get $size)))
      (local.set $k3 (i32.sub (local.get $k3) (local.get $size)))
      (br_if $head (local.tee $g (i32.sub (local.get $g) (i32.const 1)))))
    (local.set $k0 (i32.add (local.get $k0) (local.get $size)))
    (local.set $k1 (i32.add (local.get $k1) (local.get $size)))
    (local.set $k2 (i32.add (local.get $k2) (local.get $size)))
    (local.set $k3 (i32.add (local.get $k3) (local.get $size)))
    (br_if $four (i32.lt_u (local.tee $u (i32.add (local.get $u) (i32.const 1))) (local.get $quarter))))
  (if (f32.ne (local.get $softCap) (f32.const 0))
    (then (call $softCap (local.get $scores) (i32.mul (local.get $line) (local.get $heads)) (local.get $softCap))))

  ;; Shares: e^(score − largest), which is nothing to speak of for the places behind the end.
  (local.set $p (local.get $scores))
  (local.set $o (i32.add (local.get $out) (local.get $size)))
  (local.set $g (local.get $heads))
  (loop $head
    (local.set $stop (i32.add (local.get $p) (i32.shl (local.get $line) (i32.const 2))))
    (local.set $k0 (local.get $p))
    (local.set $most (v128.const f32x4 -1e30 -1e30 -1e30 -1e30))
    (local.set $place (v128.const i32x4 0 1 2 3))
    (loop $four
      (local.set $v
        (v128.bitselect (v128.load (local.get $p)) (v128.const f32x4 -1e30 -1e30 -1e30 -1e30)
          (i32x4.lt_s (local.get $place) (i32x4.splat (local.get $rows)))))
      (v128.store (local.get $p) (local.get $v))
      (local.set $most (f32x4.pmax (local.get $most) (local.get $v)))
      (local.set $place (i32x4.add (local.get $place) (v128.const i32x4 4 4 4 4)))
      (br_if $four (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 16))) (local.get $stop))))
    (local.set $most
      (f32x4.splat
        (f32.max
          (f32.max (f32x4.extract_lane 0 (local.get $most)) (f32x4.extract_lane 1 (local.get $most)))
          (f32.max (f32x4.extract_lane 2 (local.get $most)) (f32x4.extract_lane 3 (local.get $most))))))
    (local.set $p (local.get $k0))
    (loop $four
      (v128.store (local.get $p) (f32x4.sub (v128.load (local.get $p)) (local.get $most)))
      (br_if $four (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 16))) (local.get $stop))))
    (call $exponentials (local.get $k0) (local.get $line))
    (local.set $a0 (v128.const i32x4 0 0 0 0))
    (local.set $p (local.get $k0))
    (loop $four
      (local.set $a0 (f32x4.add (local.get $a0) (v128.load (local.get $p))))
      (br_if $four (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 16))) (local.get $stop))))
    (f32.store (local.get $o) (f32x4.extract_lane 0 (local.get $most)))
    (f32.store offset=4 (local.get $o) (call $sum (local.get $a0)))
    (local.set $o (i32.add (local.get $o) (local.get $stride)))
    (br_if $head (local.tee $g (i32.sub (local.get $g) (i32.const 1)))))

  ;; Values by their shares.
  (local.set $k0 (i32.add (local.get $values) (local.get $from)))
  (local.set $k1 (i32.add (local.get $k0) (local.get $step)))
  (local.set $k2 (i32.add (local.get $k1) (local.get $step)))
  (local.set $k3 (i32.add (local.get $k2) (local.get $step)))
  (local.set $u (i32.const 0))
  (loop $four
    (local.set $o (local.get $out))
    (local.set $p (i32.add (local.get $scores) (i32.shl (local.get $u) (i32.const 2))))
    (local.set $g (local.get $heads))
    (loop $head
      (local.set $a0 (v128.load32_splat (local.get $p)))
      (local.set $a1 (v128.load32_splat (i32.add (local.get $p) (local.get $line))))
      (local.set $a2 (v128.load32_splat (i32.add (local.get $p) (i32.shl (local.get $line) (i32.const 1)))))
      (local.set $a3 (v128.load32_splat (i32.add (local.get $p) (i32.mul (local.get $line) (i32.const 3)))))
      (local.set $end (i32.add (local.get $o) (local.get $size)))
      (if (i32.and (local.get $size) (i32.const 16))
        (then
          (v128.store (local.get $o)
            (f32x4.add (v128.load (local.get $o))
              (f32x4.add
                (f32x4.add
                  (f32x4.mul (local.get $a0) (v128.load (local.get $k0)))
                  (f32x4.mul (local.get $a1) (v128.load (local.get $k1))))
                (f32x4.add
                  (f32x4.mul (local.get $a2) (v128.load (local.get $k2)))
                  (f32x4.mul (local.get $a3) (v128.load (local.get $k3)))))))
          (local.set $o (i32.add (local.get $o) (i32.const 16)))
          (local.set $k0 (i32.add (local.get $k0) (i32.const 16)))
          (local.set $k1 (i32.add (local.get $k1) (i32.const 16)))
          (local.set $k2 (i32.add (local.get $k2) (i32.const 16)))
          (local.set $k3 (i32.add (local.get $k3) (i32.const 16)))))
      (loop $part
        (v128.store (local.get $o)
          (f32x4.add (v128.load (local.get $o))
            (f32x4.add
              (f32x4.add
                (f32x4.mul (local.get $a0) (v128.load (local.get $k0)))
                (f32x4.mul (local.get $a1) (v128.load (local.get $k1))))
              (f32x4.add
                (f32x4.mul (local.get $a2) (v128.load (local.get $k2)))
                (f32x4.mul (local.get $a3) (v128.load (local.get $k3)))))))
        (v128.store offset=16 (local.get $o)
          (f32x4.add (v128.load offset=16 (local.get $o))
            (f32x4.add
              (f32x4.add
                (f32x4.mul (local.get $a0) (v128.load offset=16 (local.get $k0)))
                (f32x4.mul (local.get $a1) (v128.load offset=16 (local.get $k1))))
              (f32x4.add
                (f32x4.mul (local.get $a2) (v128.load offset=16 (local.get $k2)))
                (f32x4.mul (local.get $a3) (v128.load offset=16 (local.get $k3)))))))
        (local.set $k0 (i32.add (local.get $k0) (i32.const 32)))
        (local.set $k1 (i32.add (local.get $k1) (i32.const 32)))
        (local.set $k2 (i32.add (local.get $k2) (i32.const 32)))
        (local.set $k3 (i32.add (local.get $k3) (i32.const 32)))
        (br_if $part (i32.lt_u (local.tee $o (i32.add (local.get $o) (i32.const 32))) (local.get $end))))
      (local.set $o (i32.add (local.get $o) (i32.const 16)))
      (local.set $p (i32.add (local.get $p) (i32.shl (local.get $line) (i32.const 2))))
      (local.set $k0 (i32.sub (local.get $k0) (local.get $size)))
      (local.set $k1 (i32.sub (local.get $k1) (local.get $size)))
      (local.set $k2 (i32.sub (local.get $k2) (local.get $size)))
      (local.set $k3 (i32.sub (local.get $k3) (local.get $size)))
      (br_if $head (local.tee $g (i32.sub (local.get $g) (i32.const 1)))))
    (local.set $k0 (i32.add (local.get $k0) (local.get $size)))
    (local.set $k1 (i32.add (local.get $k1) (local.get $size)))
    (local.set $k2 (i32.add (local.get $k2) (local.get $size)))
    (local.set $k3 (i32.add (local.get $k3) (local.get $size)))
    (br_if $four (i32.lt_u (local.tee $u (i32.add (local.get $u) (i32.const 1))) (local.get $quarter)))))

;; The heads' attention from what the threads found for their parts of the positions, `between` bytes apart.
(func $merge (param $parts i32) (param $between i32) (param $out i32) (param $heads i32) (param $size i32)
    (param $scratch i32)
  (local $most f32) (local $total f32) (local $share f32) (local $t i32) (local $p i32) (local $i i32)
  (loop $head
    (local.set $most (f32.const -1e30))
    (local.set $p (i32.add (local.get $parts) (local.get $size)))
    (local.set $t (i32.load (i32.const 24)))
    (loop $thread
      (local.set $most (f32.max (local.get $most) (f32.load (local.get $p))))
      (local.set $p (i32.add (local.get $p) (local.get $between)))
      (br_if $thread (local.tee $t (i32.sub (local.get $t) (i32.const 1)))))
    (memory.fill (local.get $out) (i32.const 0) (local.get $size))
    (local.set $total (f32.const 0))
    (local.set $p (local.get $parts))
    (local.set $t (i32.load (i32.const 24)))
    (loop $thread
      (local.set $i (i32.add (local.get $p) (local.get $size)))
      (if (f32.gt (f32.load offset=4 (local.get $i)) (f32.const 0))
        (then
          (v128.store (local.get $scratch) (f32x4.splat (f32.sub (f32.load (local.get $i)) (local.get $most))))
          (call $exponentials (local.get $scratch) (i32.const 4))
          (local.set $share (f32.load (local.get $scratch)))
          (local.set $total
            (f32.add (local.get $total) (f32.mul (local.get $share) (f32.load offset=4 (local.get $i)))))
          (local.set $i (i32.const 0))
          (loop $part
            (v128.store (i32.add (local.get $out) (local.get $i))
              (f32x4.add (v128.load (i32.add (local.get $out) (local.get $i)))
                (f32x4.mul (f32x4.splat (local.get $share)) (v128.load (i32.add (local.get $p) (local.get $i))))))
            (br_if $part (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 16))) (local.get $size))))))
      (local.set $p (i32.add (local.get $p) (local.get $between)))
      (br_if $thread (local.tee $t (i32.sub (local.get $t) (i32.const 1)))))
    (local.set $i (i32.add (local.get $out) (local.get $size)))
    (loop $part
      (v128.store (local.get $out)
        (f32x4.mul (v128.load (local.get $out)) (f32x4.splat (f32.div (f32.const 1) (local.get $total)))))
      (br_if $part (i32.lt_u (local.tee $out (i32.add (local.get $out) (i32.const 16))) (local.get $i))))
    (local.set $parts (i32.add (local.get $parts) (i32.add (local.get $size) (i32.const 16))))
    (br_if $head (local.tee $heads (i32.sub (local.get $heads) (i32.const 1))))))
