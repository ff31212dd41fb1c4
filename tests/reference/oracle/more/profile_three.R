# Makes profile_three.json: profile likelihood intervals of metafor for three outcomes, Tau without
# structure. Run in the folder of this file: Rscript profile_three.R

suppressMessages({library(metafor); library(jsonlite)})

table <- read.csv("../data/sim_three_outcomes.csv")
V <- vcalc(vi, cluster = trial, obs = outcome, rho = 0.4, data = table)
fit <- rma.mv(yi, V, mods = ~ outcome - 1, random = ~ outcome | trial, struct = "UN", data = table)
limits <- function(...) {
  found <- confint(fit, ..., control = list(tol = 1e-8))$random
  unname(found[grep("tau.2|rho", rownames(found))[1], ])
}
# metafor counts the correlations row by row: 2~1, 3~1, 3~2
made <- list(
  list(id = "tau2[0]", limits = limits(tau2 = 1)), list(id = "tau2[2]", limits = limits(tau2 = 3)),
  list(id = "rho[0,1]", limits = limits(rho = 1)), list(id = "rho[0,2]", limits = limits(rho = 2))
)
lines <- vapply(made, function(one) as.character(toJSON(list(
  id = unbox(one$id), `function` = unbox("confint.rma.mv"), tier = unbox("extra"),
  data = unbox("data/sim_three_outcomes.csv"), args = list(rho = unbox(0.4)),
  expect = list(estimate = unbox(one$limits[1]), lower = unbox(one$limits[2]),
                upper = unbox(one$limits[3]))), digits = I(12))), "")
versions <- toJSON(list(
  R = unbox(paste(R.version$major, R.version$minor, sep = ".")),
  metafor = unbox(as.character(packageVersion("metafor")))
))
writeLines(paste0("{\"topic\":\"profile_three\",\"produced_with\":", versions, ",\"cases\":[\n",
                  paste(lines, collapse = ",\n"), "\n]}"), "profile_three.json")
