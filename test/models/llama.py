"""llama.cpp's server, which xllamacpp has as a library: MODEL PORT NAME. Eight slots of 2,048 tokens, two threads; metrics and slots are shown."""

import signal
import sys

import xllamacpp

_, model, port, name = sys.argv
params = xllamacpp.CommonParams()
params.model.path = model
params.model_alias = {name}
params.hostnames = ["127.0.0.1"]
params.port = int(port)
params.n_parallel = 8
params.n_ctx = 8 * 2048
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
params.endpoint_metrics = params.endpoint_slots = params.use_jinja = True

ends = {signal.SIGTERM, signal.SIGINT}
signal.pthread_sigmask(signal.SIG_BLOCK, ends)
server = xllamacpp.Server(params)
signal.sigwait(ends)
