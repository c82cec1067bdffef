"""What `helm test` runs: asks each address until it answers 200, half a minute at most, and says what each answered."""

import sys
import time
import urllib.error
import urllib.request

TIMEOUT_S = 30.0
PAUSE_S = 0.5


def ask(url: str) -> str:
    """ "" when it answered 200, else why not."""
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return "" if answer.status == 200 else f"answered {answer.status}"
    except urllib.error.HTTPError as error:
        return f"answered {error.code}: {error.read(200).decode(errors='replace').strip()}"
    except OSError as error:
        return f"no answer ({getattr(error, 'reason', error)})"


def main(urls: list[str]) -> int:
    deadline_s = time.monotonic() + TIMEOUT_S
    problems = {url: ask(url) for url in urls}
    while any(problems.values()) and time.monotonic() < deadline_s:
        time.sleep(PAUSE_S)
        problems = {url: problem and ask(url) for url, problem in problems.items()}
    for url, problem in problems.items():
        sys.stdout.write(f"{'FAIL' if problem else 'ok':4}  {url}  {problem}".rstrip() + "\n")
    return 1 if any(problems.values()) or not urls else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
