# Processor seconds of one call of run(), once repeating makes it no faster: as benchmarks/timing.py.
steady <- function(run, sample = 0.2, budget = 20, most = 25, enough = 4, better = 0.99) {
  clock <- function() sum(proc.time()[c("user.self", "sys.self")])
  timed <- function(calls) {
    start <- clock()
    for (i in seq_len(calls)) run()
    clock() - start
  }
  begun <- proc.time()["elapsed"]
  calls <- 1
  spent <- 0
  repeat {
    took <- timed(calls)
    spent <- spent + took
    if (took >= sample || proc.time()["elapsed"] - begun >= budget) break
    calls <- calls * 2
  }
  best <- took / calls
  samples <- 1
  unbettered <- 0
  while (samples < 2 || (unbettered < enough && samples < most && spent + took < budget)) {
    took <- timed(calls)
    spent <- spent + took
    samples <- samples + 1
    unbettered <- if (took / calls < better * best) 0 else unbettered + 1
    best <- min(best, took / calls)
  }
  best
}
