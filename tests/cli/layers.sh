# The shape of the source tree: which room may include which, what may stand at the top level, how long a file may be,
# and (with RHEO_CHECK_FORMAT=1, which tests/run.sh sets) whether clang-format 14 would leave it as it is.
# Says everything that is wrong, then fails.
# timeout: 60
set -eu
cd "$RHEO_SOURCE"
wrong=0
say() { echo "$*" >&2; wrong=1; }

# Includes point one way: a room may include rooms of a lower number and itself. Rooms of one number do not know each
# other, but plot may use io. src/rheo.* and the programs may
# include everything, tests too.
# shellcheck disable=SC2016
awk_layers='
  BEGIN {
    split("base 0 io 1 plot 1 program 2 nn 3 flow 4 cnf 4 objective 5 target 5 sim 5 train 6 infer 7 embed 8 apps 9", word, " ")
    for (i = 1; i in word; i += 2) level[word[i]] = word[i + 1]
    beside["plot", "io"] = 1
  }
  function plain(path,   part, n, i, out, m, text) { # . and .. taken out
    n = split(path, part, "/")
    m = 0
    for (i = 1; i <= n; i++) {
      if (part[i] == "..") { if (m > 0) m--; }
      else if (part[i] != "." && part[i] != "") out[++m] = part[i]
    }
    text = out[1]
    for (i = 2; i <= m; i++) text = text "/" out[i]
    return text
  }
  function room(path,   part) { # "" outside the rooms
    path = plain(path)
    if (path ~ /^apps\//) return "apps"
    return split(path, part, "/") > 2 && part[1] == "src" ? part[2] : ""
  }
  function folder_of(name) { sub(/\/.*/, "", name); return name }
  function wrong(text) { print FILENAME ":" FNR ": " text; bad = 1 }
  FNR == 1 {
    here = room(FILENAME)
    folder = FILENAME; sub(/[^\/]*$/, "", folder)
    if (here != "" && !(here in level)) wrong("src/" here " is not a room of the design")
  }
  /^[ \t]*#[ \t]*include[ \t]*[<"]petsc\/private/ { wrong("private headers of PETSc are not for us") }
  FILENAME ~ /\/kernels\// && /^[ \t]*#[ \t]*include[ \t]*[<"](petsc|mpi|hdf5)/ { wrong("kernels know neither MPI nor PETSc nor HDF5") }
  /^[ \t]*#[ \t]*include[ \t]*["<]/ {
    name = $0; sub(/^[^"<]*["<]/, "", name); sub(/[">].*/, "", name)
    # As the compiler does: beside the file first, then below src; neither: a header of the system.
    path = folder name
    if ((getline line < path) < 0) path = "src/" name
    close(path)
    there = room(path)
    if (plain(path) == "src/rheo.h" && here != "" && here != "apps") wrong("rheo.h is for those outside the library")
    if (there == "" || there == here || here == "") next
    if (name ~ /_impl\.h$/ && folder_of(there) != folder_of(here)) wrong(name " is private to src/" folder_of(there))
    if (!(there in level) || !(here in level)) next
    if (level[there] + 0 >= level[here] + 0 && !((here, there) in beside)) wrong(here " may not include " there " (" name ")")
  }
  END { exit bad }'
sources=$(find src apps -type f \( -name '*.[ch]' -o -name '*.def' -o -name '*.inc' \) 2>/dev/null | sort)
[ -n "$sources" ] || { say "there are no sources below $PWD/src"; exit 1; }
# shellcheck disable=SC2086
awk "$awk_layers" $sources >&2 || wrong=1

# The top level is fixed.
if entries=$(git ls-files --cached --others --exclude-standard 2>/dev/null) && [ -n "$entries" ]; then
  entries=$(echo "$entries" | cut -d/ -f1 | sort -u)
else
  entries=$(find . -mindepth 1 -maxdepth 1 ! -name 'build*' ! -name results -printf '%f\n')
fi
for entry in $entries; do
  case $entry in
    CMakeLists.txt | README.md | LICENSE | src | apps | inputs | tests | jobscripts | .*) ;;
    *) say "$entry may not stand at the top level" ;;
  esac
done

# A file that a reader can hold in mind.
for file in $sources $(find tests -type f -name '*.[ch]'); do
  lines=$(wc -l <"$file")
  [ "$lines" -le 800 ] || say "$file has $lines lines, more than 800"
done

# Formatting: on request, so that it does not stand in the way of work that is going on.
if [ "${RHEO_CHECK_FORMAT:-0}" != 1 ]; then
  echo "formatting was not checked (RHEO_CHECK_FORMAT=1 does)"
elif ! format=$(command -v clang-format-14 || command -v clang-format) || ! $format --version | grep -q 'version 14\.'; then
  echo "formatting was not checked: clang-format 14 is not installed, and other versions differ"
else
  # shellcheck disable=SC2046
  unformatted=$($format --dry-run -Werror $(find src apps tests -type f -name '*.[ch]' 2>/dev/null) 2>&1 |
    sed -n 's/^\([^:]*\):[0-9]*:.*clang-format-violations.*/\1/p' | sort | uniq -c)
  [ -z "$unformatted" ] || say "$(printf 'clang-format -i would change these (places, file):\n%s' "$unformatted")"
fi
exit $wrong
