# Sourced by the scripts. Answers 500 and ends when this instance is broken: `touch /tmp/broken` inside it breaks one
# instance, BROKEN=1 in the environment breaks every instance of a release.
if [ -e /tmp/broken ] || [ -n "$BROKEN" ]; then
  printf 'Status: 500\nContent-Type: text/plain\n\nbroken\n'
  exit 0
fi
