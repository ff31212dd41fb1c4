# Makes mixed_counts.json: mixed models of counts by lme4, searched to 1e-9 and with many nodes.
# Run in the folder of this file: Rscript mixed_counts.R
#
# The models are those of metafor's rma.glmm(), which calls lme4 with 7 nodes and looser stopping
# rules; a script run compares the two and stops where they are further apart than that explains.

suppressMessages({library(metafor); library(lme4); library(jsonlite)})

made <- list()
tight <- glmerControl(optimizer = "bobyqa", tolPwrss = 1e-13,
                      optCtrl = list(rhoend = 1e-9, maxfun = 1e5),
                      check.conv.grad = "ignore", check.conv.hess = "ignore")

close_to <- function(a, b, tolerance, what)
  if (any(abs(a - b) > tolerance * pmax(1e-2, abs(b)))) stop(paste(what, "disagree:", a, b))

add <- function(id, data, args, fit, beta, rma) {
  vc <- VarCorr(fit)
  groups <- as.data.frame(vc)
  tau2 <- groups$vcov[grepl("group|own", groups$var1) & is.na(groups$var2)]
  sigma2 <- groups$vcov[grepl("level", groups$grp) | (groups$var1 == "(Intercept)" & is.na(groups$var2) & args$levels == "random")]
  rho <- groups$sdcor[!is.na(groups$var2)]
  se <- sqrt(diag(as.matrix(vcov(fit))))[[beta]]
  expect <- list(beta = fixef(fit)[[beta]], se = se, tau2 = tau2)
  if (length(sigma2)) expect$sigma2 <- sigma2[1]
  if (length(rho)) expect$rho <- rho
  close_to(expect$beta, c(rma$beta), 2e-3, paste(id, "means"))
  close_to(expect$se, rma$se, 2e-3, paste(id, "standard errors"))
  close_to(expect$tau2, rma$tau2, 5e-3, paste(id, "variances"))
  made[[length(made) + 1]] <<- list(
    id = unbox(id), `function` = unbox("glmer"), tier = unbox("extra"),
    data = unbox(data), args = lapply(args, unbox), expect = lapply(expect, unbox)
  )
}

quietly <- function(x) suppressWarnings(suppressMessages(x))

nw <- read.csv("../data/nielweise2007_counts.csv")
rates <- read.csv("../data/nielweise2008_rates.csv")

long <- function(x1, s1, x2, s2, coding) {
  k <- length(x1)
  data.frame(study = factor(rep(1:k, each = 2)), x = c(rbind(x1, x2)), size = c(rbind(s1, s2)),
             treated = rep(1:0, k), group = rep(c(coding, coding - 1), k))
}

two_groups <- function(name, data, counts, t, coding, levels, cor = FALSE) {
  d <- do.call(long, c(unname(as.list(t)), coding))
  binomial_counts <- counts == "binomial"
  if (binomial_counts) {                    # as drop00: nobody or everybody in both groups
    some <- with(t, x1 + x2 > 0 & x1 + x2 < s1 + s2)
    d <- do.call(long, c(unname(as.list(t[some, ])), coding))
    left <- "cbind(x, size - x)"; offset <- ""
  } else { left <- "x"; offset <- " + offset(log(size))" }
  right <- if (levels == "fixed") "-1 + treated + study + (group - 1 | study)" else
    if (cor) "treated + (1 + group | study)" else "treated + (1 + group || study)"
  formula <- as.formula(paste(left, "~", right, offset))
  family <- if (binomial_counts) binomial else poisson
  nodes <- if (levels == "fixed") 61 else 1
  fit <- quietly(glmer(formula, d, family, nAGQ = nodes, control = tight))
  rma <- quietly(with(t, if (binomial_counts)
    rma.glmm(measure = "OR", ai = x1, n1i = s1, ci = x2, n2i = s2, coding = coding, cor = cor,
             model = if (levels == "fixed") "UM.FS" else "UM.RS", nAGQ = if (levels == "fixed") 7 else 1)
    else rma.glmm(measure = "IRR", x1i = x1, t1i = s1, x2i = x2, t2i = s2, coding = coding, cor = cor,
             model = if (levels == "fixed") "UM.FS" else "UM.RS", nAGQ = if (levels == "fixed") 7 else 1)))
  id <- paste(name, levels, paste0("coding_", coding), sep = "/")
  if (cor) id <- paste0(id, "/correlated")
  add(id, data, list(model = "two_group_counts", counts = counts, levels = levels, coding = coding,
                     correlated = cor, nodes = if (levels == "fixed") 15L else 1L), fit, "treated", rma)
}

persons <- with(nw, data.frame(x1 = ai, s1 = ai + bi, x2 = ci, s2 = ci + di))
times <- with(rates, data.frame(x1 = x1i, s1 = t1i, x2 = x2i, s2 = t2i))
for (coding in c(0, 0.5, 1)) {
  two_groups("nielweise2007_counts", "data/nielweise2007_counts.csv", "binomial", persons, coding, "fixed")
  two_groups("nielweise2008_rates", "data/nielweise2008_rates.csv", "poisson", times, coding, "fixed")
  two_groups("nielweise2007_counts", "data/nielweise2007_counts.csv", "binomial", persons, coding, "random")
}
two_groups("nielweise2007_counts", "data/nielweise2007_counts.csv", "binomial", persons, 0.5, "random", TRUE)

conditional <- function(id, data, t, rma) {
  some <- t$x1 + t$x2 > 0
  d <- with(t[some, ], data.frame(own = factor(seq_along(x1)), x1, x2, off = log(s1 / s2)))
  fit <- quietly(glmer(cbind(x1, x2) ~ 1 + (1 | own), d, binomial, offset = off, nAGQ = 61,
                       control = tight))
  vc <- as.data.frame(VarCorr(fit))
  expect <- list(beta = fixef(fit)[[1]], se = sqrt(vcov(fit)[1, 1]), tau2 = vc$vcov[1])
  close_to(expect$beta, c(rma$beta), 2e-3, id); close_to(expect$tau2, rma$tau2, 5e-3, id)
  made[[length(made) + 1]] <<- list(
    id = unbox(id), `function` = unbox("glmer"), tier = unbox("extra"), data = unbox(data),
    args = list(model = unbox("conditional_binomial")), expect = lapply(expect, unbox))
}
conditional("nielweise2008_rates/conditional", "data/nielweise2008_rates.csv", times,
            quietly(with(times, rma.glmm(measure = "IRR", x1i = x1, t1i = s1, x2i = x2, t2i = s2,
                                         model = "CM.EL"))))
conditional("nielweise2007_counts/conditional", "data/nielweise2007_counts.csv", persons,
            quietly(with(persons, rma.glmm(measure = "OR", ai = x1, n1i = s1, ci = x2, n2i = s2,
                                           model = "CM.AL"))))

for (arm in 1:2) {
  x <- rates[[paste0("x", arm, "i")]]; t <- rates[[paste0("t", arm, "i")]]
  d <- data.frame(x, t, own = factor(seq_along(x)))
  fit <- quietly(glmer(x ~ 1 + (1 | own) + offset(log(t)), d, poisson, nAGQ = 61, control = tight))
  rma <- quietly(rma.glmm(measure = "IRLN", xi = x, ti = t))
  expect <- list(beta = fixef(fit)[[1]], se = sqrt(vcov(fit)[1, 1]),
                 tau2 = as.data.frame(VarCorr(fit))$vcov[1])
  close_to(expect$beta, c(rma$beta), 2e-3, "rates"); close_to(expect$tau2, rma$tau2, 5e-3, "rates")
  made[[length(made) + 1]] <- list(
    id = unbox(paste0("nielweise2008_rates/group", arm)), `function` = unbox("glmer"),
    tier = unbox("extra"), data = unbox("data/nielweise2008_rates.csv"),
    args = list(model = unbox("poisson_normal"), group = unbox(arm)), expect = lapply(expect, unbox))
}

lines <- vapply(made, function(one) as.character(toJSON(one, digits = I(17))), "")
versions <- toJSON(list(
  R = unbox(paste(R.version$major, R.version$minor, sep = ".")),
  metafor = unbox(as.character(packageVersion("metafor"))),
  lme4 = unbox(as.character(packageVersion("lme4")))
))
writeLines(paste0("{\"topic\":\"mixed_counts\",\"produced_with\":", versions, ",\"cases\":[\n",
                  paste(lines, collapse = ",\n"), "\n]}"), "mixed_counts.json")
