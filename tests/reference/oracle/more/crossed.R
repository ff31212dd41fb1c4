# Makes crossed.json: rma.mv with crossed random effects, variances at the maximum to rounding.
# Run in the folder of this file: Rscript crossed.R
#
# rma.mv() searches with numerical derivatives, which leaves 4 to 6 digits of the variances. Newton
# steps on the same log-likelihood with its exact slope add the rest, rma.mv() is evaluated there,
# and the script stops when the two disagree.

suppressMessages({library(metafor); library(jsonlite)})

made <- list()

# Log-likelihood, slope and observed information in the variances of the parts A.
state <- function(s, y, V, X, A, reml) {
  S <- V
  for (i in seq_along(A)) S <- S + s[i] * A[[i]]
  W <- solve(S); C <- t(X) %*% W %*% X
  P <- W - W %*% X %*% solve(C, t(X) %*% W)
  r <- P %*% y
  inner <- if (reml) P else W
  k <- length(y) - reml * ncol(X)
  ll <- -0.5 * (k * log(2 * pi) + determinant(S)$modulus + sum(y * r))
  if (reml) ll <- ll + 0.5 * (determinant(crossprod(X))$modulus - determinant(C)$modulus)
  score <- sapply(A, function(a) 0.5 * (sum(r * (a %*% r)) - sum(inner * a)))
  observed <- outer(seq_along(A), seq_along(A), Vectorize(function(i, j) {
    f <- A[[i]] %*% r; g <- A[[j]] %*% r
    sum(f * (P %*% g)) - 0.5 * sum((inner %*% A[[i]]) * t(inner %*% A[[j]]))
  }))
  list(ll = as.numeric(ll), score = score, observed = observed)
}

close_to <- function(a, b, tolerance, what)
  if (any(abs(a - b) > tolerance * pmax(1e-3, abs(b)))) stop(paste(what, "disagree"))

add <- function(name, data, factors, method, mods = ~ 1, rho = 0) {
  table <- read.csv(file.path("..", data)); table$effect <- seq_len(nrow(table))
  reml <- method == "REML"
  X <- model.matrix(mods, table)
  A <- lapply(factors, function(f) outer(table[[f]], table[[f]], "==") + 0)
  V <- rho * outer(sqrt(table$vi), sqrt(table$vi)) * A[[1]]; diag(V) <- table$vi
  random <- lapply(factors, function(f) as.formula(paste("~ 1 |", f)))
  run <- function(...) rma.mv(yi, V, mods = mods, random = random, data = table, method = method, ...)
  fit <- run(control = list(optimizer = "nlminb", rel.tol = 1e-9))

  s <- fit$sigma2
  free <- s > 1e-6; s[!free] <- 0
  for (i in 1:8) {
    now <- state(s, table$yi, V, X, A, reml)
    s[free] <- s[free] + solve(now$observed[free, free], now$score[free])
  }
  now <- state(s, table$yi, V, X, A, reml)
  stopifnot(all(s >= 0), max(abs(now$score[free] * s[free])) < 1e-10, all(now$score[!free] < 0))
  close_to(s, fit$sigma2, 1e-4, "variances")
  at <- run(sigma2 = s)
  close_to(now$ll, c(logLik(at)), 1e-10, "likelihoods")
  made[[length(made) + 1]] <<- list(
    id = unbox(paste(name, method, sep = "/")), `function` = unbox("rma.mv"), tier = unbox("extra"),
    data = unbox(data),
    args = list(factors = factors, mods = unbox(deparse(mods)), method = unbox(method),
                rho = unbox(rho)),
    expect = list(
      k = unbox(at$k), levels = unname(at$s.nlevels), sigma2 = s,
      beta = c(at$beta), se = at$se, zval = at$zval, pval = at$pval, ci_lb = at$ci.lb,
      ci_ub = at$ci.ub, vb = unname(at$vb), QE = unbox(at$QE), QEp = unbox(at$QEp),
      ll = unbox(now$ll),
      # what rma.mv() itself returns, to fewer digits
      rma_sigma2 = fit$sigma2, rma_beta = c(fit$beta), rma_se = fit$se, rma_ll = unbox(c(logLik(fit)))
    )
  )
}

assink <- "data/assink2016.csv"; schools <- "data/konstantopoulos2011.csv"
for (method in c("REML", "ML")) {
  # effects of 17 studies on three types of delinquency, most types in several studies
  add("assink2016/study_type", assink, c("study", "deltype", "effect"), method)
  add("assink2016/study_type/year", assink, c("study", "deltype", "effect"), method, ~ year)
  add("assink2016/study_type_published", assink, c("study", "deltype", "pubstatus", "effect"), method)
  add("assink2016/study_type/rho0.6", assink, c("study", "deltype", "effect"), method, rho = 0.6)
  add("assink2016/type_year", assink, c("deltype", "year"), method)
  # effects in 11 districts and 6 years, some years in several districts and the other way round
  add("konstantopoulos2011/district_year", schools, c("district", "year", "effect"), method)
  add("konstantopoulos2011/district_year_only", schools, c("district", "year"), method)
}

lines <- vapply(made, function(one) as.character(toJSON(one, digits = I(17))), "")
versions <- toJSON(list(
  R = unbox(paste(R.version$major, R.version$minor, sep = ".")),
  metafor = unbox(as.character(packageVersion("metafor")))
))
writeLines(paste0("{\"topic\":\"crossed\",\"produced_with\":", versions, ",\"cases\":[\n",
                  paste(lines, collapse = ",\n"), "\n]}"), "crossed.json")
