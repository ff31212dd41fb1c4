# Makes location_scale.json: location-scale models of metafor, alpha at the maximum to rounding.
# Run in the folder of this file: Rscript location_scale.R
#
# rma() searches with numerical derivatives and takes standard errors from a numerical Hessian in
# the units of the moderators, which leaves 4 to 6 digits. Newton steps on the same log-likelihood
# with standardized moderators add the rest; the script stops when the two disagree.

suppressMessages({library(metafor); library(jsonlite); library(numDeriv)})

made <- list()

loglik <- function(alpha, y, v, X, Z, reml) {
  w <- 1 / (v + exp(c(Z %*% alpha)))
  C <- crossprod(X, w * X)
  e <- y - c(X %*% solve(C, crossprod(X, w * y)))
  k <- length(y) - reml * ncol(X)
  ll <- -0.5 * (k * log(2 * pi) - sum(log(w)) + sum(w * e^2))
  if (reml) ll <- ll + 0.5 * (determinant(crossprod(X))$modulus - determinant(C)$modulus)
  as.numeric(ll)
}

close_to <- function(a, b, tolerance, what)
  if (any(abs(a - b) > tolerance * pmax(1e-3, abs(b)))) stop(paste(what, "disagree"))

add <- function(name, data, mods, scale, method) {
  table <- read.csv(file.path("..", data))
  reml <- method == "REML"
  fit <- rma(yi, vi, mods = mods, scale = scale, data = table, method = method,
             control = list(optimizer = "nlminb", rel.tol = 1e-10))
  X <- model.matrix(mods, table); Z <- model.matrix(scale, table)
  close_to(loglik(c(fit$alpha), table$yi, table$vi, X, Z, reml), c(logLik(fit)), 1e-9, "likelihoods")

  # alpha = A gamma, with gamma the coefficients of the standardized moderator
  m <- mean(Z[, 2]); s <- sd(Z[, 2])
  A <- matrix(c(1, 0, -m / s, 1 / s), 2)
  f <- function(g) loglik(c(A %*% g), table$yi, table$vi, X, Z, reml)
  g <- solve(A, c(fit$alpha))
  for (i in 1:6) g <- g - solve(hessian(f, g), grad(f, g))
  stopifnot(max(abs(grad(f, g))) < 1e-7)
  alpha <- c(A %*% g)
  alpha_se <- sqrt(diag(A %*% solve(-hessian(f, g)) %*% t(A)))
  close_to(alpha / alpha_se, c(fit$alpha / alpha_se), 1e-2, "coefficients")
  close_to(alpha_se, fit$se.alpha, 1e-3, "standard errors")

  w <- 1 / (table$vi + exp(c(Z %*% alpha)))
  vb <- solve(crossprod(X, w * X)); beta <- c(vb %*% crossprod(X, w * table$yi))
  se <- sqrt(diag(vb))
  close_to(beta / se, c(fit$beta) / se, 1e-4, "means"); close_to(se, fit$se, 1e-4, "their errors")
  z <- beta / se; za <- alpha / alpha_se; half <- qnorm(.975)
  made[[length(made) + 1]] <<- list(
    id = unbox(paste(name, method, sep = "/")), `function` = unbox("rma.ls"), tier = unbox("extra"),
    data = unbox(data),
    args = list(mods = unbox(deparse(mods)), scale = unbox(deparse(scale)), method = unbox(method)),
    expect = list(
      beta = beta, se = unname(se), zval = z, pval = 2 * pnorm(-abs(z)),
      ci_lb = beta - half * se, ci_ub = beta + half * se,
      alpha = alpha, alpha_se = alpha_se, alpha_zval = za, alpha_pval = 2 * pnorm(-abs(za)),
      alpha_ci_lb = alpha - half * alpha_se, alpha_ci_ub = alpha + half * alpha_se,
      tau2 = unname(exp(c(Z %*% alpha))), ll = unbox(f(g)),
      # what rma() itself returns, to fewer digits
      rma_beta = c(fit$beta), rma_se = fit$se, rma_alpha = c(fit$alpha), rma_alpha_se = fit$se.alpha,
      rma_ll = unbox(c(logLik(fit)))
    )
  )
}

for (method in c("REML", "ML")) {
  add("bangertdrowns2004/ni", "data/bangertdrowns2004.csv", ~1, ~ni, method)
  add("bangertdrowns2004/ni_ni", "data/bangertdrowns2004.csv", ~ni, ~ni, method)
  add("bcg_rr/ablat", "data/bcg_rr.csv", ~1, ~ablat, method)
  add("bcg_rr/ablat_ablat", "data/bcg_rr.csv", ~ablat, ~ablat, method)
}

lines <- vapply(made, function(one) as.character(toJSON(one, digits = I(17))), "")
versions <- toJSON(list(
  R = unbox(paste(R.version$major, R.version$minor, sep = ".")),
  metafor = unbox(as.character(packageVersion("metafor"))),
  numDeriv = unbox(as.character(packageVersion("numDeriv")))
))
writeLines(paste0("{\"topic\":\"location_scale\",\"produced_with\":", versions, ",\"cases\":[\n",
                  paste(lines, collapse = ",\n"), "\n]}"), "location_scale.json")
