# What the tables of transport share; not to be run by itself. A run is a deck DIR/NAME/deck.yaml, which becomes
# DIR/NAME/check.yaml; runs that are there already are not made again, so that a table can be made in parts.
#   options: -s "SEEDS" -m "METHODS" -p "PROBLEMS" -j JOBS (at once, one rank each) -o DIR -t (only the table) -e "-key value ..."
rheo=${RHEO_BIN:-build/bin}/rheo
jobs=2 only_table=0 extra=""

options() {
  while getopts 's:m:p:j:o:e:t' option; do
    case $option in
      s) seeds=$OPTARG ;; m) methods=$OPTARG ;; p) problems=$OPTARG ;; j) jobs=$OPTARG ;; o) output=$OPTARG ;;
      e) extra=$OPTARG ;; t) only_table=1 ;; *) exit 2 ;;
    esac
  done
  [ -x "$rheo" ] || { echo "no $rheo: set RHEO_BIN to the folder of the program" >&2; exit 2; }
}

# run_one NAME: trains and checks; the log stays beside.
run_one() {
  local folder=$output/$1
  [ -s "$folder/check.yaml" ] && return
  # shellcheck disable=SC2086
  if "$rheo" train "$folder/deck.yaml" -output "$folder" -plot_figures no $extra > "$folder/train.yaml" 2> "$folder/log" &&
    "$rheo" check "$folder/model.h5" -output "$folder" > "$folder/check.tmp" 2>> "$folder/log"; then
    mv "$folder/check.tmp" "$folder/check.yaml"
    echo "done: $1" >&2
  else
    echo "FAILED: $1, see $folder/log" >&2
  fi
}

# Names of runs on stdin, $jobs at once.
run_all() {
  export rheo output extra
  export -f run_one
  [ $only_table = 1 ] || xargs -r -P "$jobs" -I{} bash -c 'run_one {}'
}

# value FILE PATH: the scalar at a dotted path of block YAML.
value() {
  awk -v want="$2" '
    { depth = match($0, /[^ ]/) - 1; line = substr($0, depth + 1); at = index(line, ":"); if (!at) next
      name[depth / 2] = substr(line, 1, at - 1); path = name[0]
      for (i = 1; i <= depth / 2; i++) path = path "." name[i]
      if (path == want) { sub(/^[^:]*: */, "", line); print line; exit } }' "$1"
}

# mean PATH NAME...: mean and standard deviation over the runs that are there (as numpy has it, divided by n), and their number.
mean() {
  local path=$1 name
  shift
  for name in "$@"; do
    if [ -s "$output/$name/check.yaml" ]; then value "$output/$name/check.yaml" "$path"; fi
  done | awk '{ s += $1; q += $1 * $1; n++ }
    END { if (!n) { print "-"; exit } m = s / n; v = q / n - m * m; printf "%.3f+-%.3f (%d)", m, sqrt(v > 0 ? v : 0), n }'
}
