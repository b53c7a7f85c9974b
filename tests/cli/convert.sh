# rheo convert: the same data set, byte by byte, out of text, out of text that comes through a pipe, and out of arrays of NumPy (.npy;
# .npz stored and deflated), on any number of ranks. The arrays are made by printf and gzip, as NumPy writes them.
# timeout: 120
set -u
# shellcheck source=tests/support/cli.sh
. "$RHEO_SOURCE/tests/support/cli.sh"

# put BYTES NUMBER: appends it to REPLY, as printf's escapes.
put() {
  local k n=$2 byte
  for ((k = 0; k < $1; k++)); do
    printf -v byte '\\x%02x' $((n & 255))
    REPLY+=$byte
    n=$((n >> 8))
  done
}
little() { REPLY=; put "$@"; printf %s "$REPLY"; }
# array FILE TYPE SHAPE: the file of what comes in as printf's escapes.
array() {
  local dictionary="{'descr': '$2', 'fortran_order': False, 'shape': ($3), }"
  { printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "$dictionary"; printf "$(cat)"; } >"$1"
}

# ---- 300 rows: two whole parameters, three data that binary numbers hold exactly, a weight ----
n=300
value=(0.5 -2 3.25 0 4096)
single=('\x00\x00\x00\x3f' '\x00\x00\x00\xc0' '\x00\x00\x50\x40' '\x00\x00\x00\x00' '\x00\x00\x80\x45')
theta='' x='' w=''
echo 'w,a,x1,x2,b,x3' >all.csv
for ((i = 0; i < n; i++)); do
  a=$((i * 37 % 101 - 50)) b=$((70000 * i)) p=$((i % 5)) q=$((i / 5 % 5)) r=$((i / 7 % 5))
  echo "$((1 + i % 3)),$a,${value[p]},${value[q]},$b,${value[r]}"
  REPLY=$theta; put 4 $a; put 4 $b; theta=$REPLY
  REPLY=$w; put 8 $((1 + i % 3)); w=$REPLY
  x+=${single[p]}${single[q]}${single[r]}
done >>all.csv
array theta.npy '<i4' "$n, 2" <<<"$theta"
array x.npy '<f4' "$n, 3" <<<"$x"
array w.npy '<i8' "$n," <<<"$w"

# ---- Archives: gzip knows a file's CRC-32 and its deflated bytes ----
# archive FILE METHOD (0 stored, 8 deflated): theta.npy, x.npy, w.npy.
archive() {
  local name facts at=0 size
  : >"$1"
  : >directory
  for name in theta.npy x.npy w.npy; do
    gzip -n -c $name >packed
    if [ "$2" = 0 ]; then cat $name >bytes; else tail -c +11 packed | head -c -8 >bytes; fi
    size=$(wc -c <bytes)
    facts="\\x14\\x00\\x00\\x00$(little 2 "$2")\\x00\\x00\\x21\\x00"
    { printf "$facts"; tail -c 8 packed | head -c 4; printf "$(little 4 "$size")$(little 4 "$(wc -c <$name)")$(little 2 ${#name})\\x00\\x00"; } >facts
    { printf 'PK\x03\x04'; cat facts; printf %s $name; cat bytes; } >>"$1"
    { printf 'PK\x01\x02\x14\x00'; cat facts; printf "\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00$(little 4 $at)"; printf %s $name; } >>directory
    at=$(wc -c <"$1")
  done
  cat directory >>"$1"
  printf "PK\\x05\\x06\\x00\\x00\\x00\\x00\\x03\\x00\\x03\\x00$(little 4 "$(wc -c <directory)")$(little 4 $at)\\x00\\x00" >>"$1"
}
archive stored.npz 0
archive deflated.npz 8
if command -v python3 >/dev/null; then
  python3 -c 'import sys, zipfile
for path in sys.argv[1:]: assert zipfile.ZipFile(path).testzip() is None' stored.npz deflated.npz || fail "the test's archives are bad"
fi

# ---- One data set ----
labels=(-convert_parameter_names a,b -convert_data_names x1,x2,x3 -convert_parameter_units m,K -convert_data_units "s,,V")
units=(-convert_parameter_units m,K -convert_data_units "s,,V")
# convert NAME RANKS FILE [key value ...]
convert() {
  local name=$1 ranks=$2
  shift 2
  mpi "$ranks" "$rheo" convert "$@" -convert_to "$name.h5" >"$name.out" 2>"$name.err" || fail "convert $name: $(cat "$name.err")"
  ls -- *.tmp >/dev/null 2>&1 && fail "convert $name leaves a temporary file"
}
convert text 1 all.csv -convert_parameters a,b -convert_weights w "${units[@]}"
convert text3 3 all.csv -convert_parameters a,b -convert_weights w "${units[@]}"
mkfifo pipe.csv
cat all.csv >pipe.csv &
convert pipe 2 pipe.csv -convert_parameters a,b -convert_weights w "${units[@]}"
wait
convert npy 1 x.npy -convert_parameters theta.npy -convert_weights w.npy "${labels[@]}"
convert npy2 2 x.npy -convert_parameters theta.npy -convert_weights w.npy "${labels[@]}"
for kind in stored deflated; do
  convert $kind 2 $kind.npz -convert_parameters theta -convert_data x -convert_weights w "${labels[@]}"
done
for name in text3 pipe npy npy2 stored deflated; do cmp text.h5 $name.h5 || fail "$name is another data set than text"; done
grep -q '^  rows: 300$' deflated.out && grep -q '^  data: 3$' deflated.out || fail "convert says: $(cat deflated.out)"

# ---- What it is ----
# The means of the columns are those that awk finds in the text.
for file in text stored; do "$rheo" info $file.h5 >$file.info 2>err || fail "info: $(cat err)"; done
cmp <(grep -v -e '^file:' -e ': rheo ' text.info) <(grep -v -e '^file:' -e ': rheo ' stored.info) || fail "rheo info tells them apart"
# column NAME FACT: what info says of a column.
column() { awk -v name="$1:" -v fact="$2:" '$1 == name && NF == 1 { at = 1; next } at && NF == 1 { at = 0 } at && $1 == fact { print $2 }' text.info; }
k=0
for name in w a x1 x2 b x3; do
  k=$((k + 1))
  mean=$(awk -F, -v k=$k 'NR > 1 { s += $k } END { printf "%.6g", s / (NR - 1) }' all.csv)
  sd=$(awk -F, -v k=$k -v m="$mean" 'NR > 1 { s += ($k - m) ^ 2 } END { printf "%.4g", sqrt(s / (NR - 2)) }' all.csv)
  [ "$(column $name mean)" = "$mean" ] || fail "mean of $name: $(column $name mean), not $mean"
  awk -v x="$(column $name sd)" -v y="$sd" 'BEGIN { exit !(x > 0.999 * y && x < 1.001 * y) }' || fail "sd of $name: $(column $name sd), not $sd"
done
[ "$(column a unit)$(column b unit)$(column x1 unit)$(column x2 unit)$(column x3 unit)" = mKsV ] || fail "units: $(cat text.info)"
convert plain 1 stored.npz -convert_parameters theta -convert_data x
"$rheo" info plain.h5 >plain.info 2>&1
grep -q '^      theta2:' plain.info && grep -q '^      x3:' plain.info && ! grep -q weights plain.info || fail "names of arrays: $(cat plain.info)"
"$rheo" convert stored.npz -convert_parameters nothing -convert_data x >/dev/null 2>err
[ $? = 2 ] || fail "an array that is not there: $(cat err)"
[ $failed = 0 ] && echo "text, pipes, .npy and .npz make the same data set"
exit $failed
