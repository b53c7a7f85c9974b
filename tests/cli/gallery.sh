# Every study of the gallery runs from end to end, trained for a moment only, draws its pictures where gnuplot is, and stands in the
# gallery's table.
# timeout: 120
set -u
# shellcheck source=tests/support/cli.sh
. "$RHEO_SOURCE/tests/support/cli.sh"
gallery=$RHEO_SOURCE/inputs/gallery
for deck in "$gallery"/*.yaml; do
  name=$(basename "$deck" .yaml)
  good "$name" "$rheo" infer "$deck" -train_steps 3 -check_n 200 -plot_grid 12 -plot_paths 20 -sample_n 200 -output "$name"
  grep -q "^    w2: " "$name.out" || fail "$name says no W2"
  grep -q "^| \`$name\` |" "$gallery/README.md" || fail "$name is not in the gallery's table"
  command -v gnuplot > /dev/null || continue
  for script in "$name"/figures/*.gp; do
    case $script in */style.gp) continue ;; esac
    [ -s "${script%.gp}.png" ] || fail "$script has no picture"
  done
  ls "$name"/figures/*.png > /dev/null 2>&1 || fail "$name: no picture at all"
done
[ "$failed" -eq 0 ]
