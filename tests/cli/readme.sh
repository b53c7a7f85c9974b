# The README names every method there is, and the verbs are those of the driver.
set -eu
unset OMPI_MCA_ess_singleton_isolated OMPI_MCA_orte_tmpdir_base # starts the program as a user does, see ../CMakeLists.txt
cd "$RHEO_SOURCE"
failed=0
for name in $(sed -n 's/.*\.name = "\([a-z_0-9]*\)".*/\1/p' src/flow/impls/*.c src/nn/impls/*.c src/cnf/impls/*.c src/objective/impls/*.c src/sim/impls/*.c src/infer/impls/*.c); do
  grep -q "\`$name\`" README.md || { echo "README.md does not name '$name'"; failed=1; }
done
for verb in $("$RHEO_BIN/rheo" -help | sed -n '/^verbs:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
  grep -q "^| \`$verb" README.md || { echo "README.md does not explain the verb '$verb'"; failed=1; }
done
exit $failed
