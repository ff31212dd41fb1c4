# One made trial, written by R. Values with exact decimal texts, so that every format holds the same.
library(haven); library(foreign)
set.seed(3)
n <- 40
d <- data.frame(id = sprintf("%03d", 1:n), arm = rep(c("web", "control"), n / 2),
                label = rep(c("Z\u00fcrich", "Bern, \"S\u00fcd\""), n / 2), score = round(rnorm(n, 4, 1.2), 2),
                acted = rbinom(n, 1, .4), stringsAsFactors = FALSE)
d$score[c(3, 17)] <- NA; d$acted[9] <- NA
write.csv(d, "write_csv.csv", row.names = FALSE, fileEncoding = "UTF-8")
write.csv(d, "write_csv_row_names.csv", fileEncoding = "UTF-8")
write.csv2(d, "write_csv2.csv", row.names = FALSE, fileEncoding = "UTF-8")
write.csv2(d, "write_csv2_latin1.csv", row.names = FALSE, fileEncoding = "latin1")
write.csv(d, "write_csv_utf16.csv", row.names = FALSE, fileEncoding = "UTF-16")
write.csv(d, "write_csv_crlf.csv", row.names = FALSE, fileEncoding = "UTF-8", eol = "\r\n")
write.table(d, "write_table.tsv", sep = "\t", row.names = FALSE, fileEncoding = "UTF-8")
write.table(d, "write_table_escaped.csv", sep = ",", row.names = FALSE, qmethod = "escape", fileEncoding = "UTF-8")
l <- d; l$acted <- labelled(as.numeric(d$acted), c(No = 0, Yes = 1)); l$arm <- labelled(ifelse(d$arm == "web", 2, 1), c(control = 1, web = 2))
write_sav(d, "haven.sav"); write_sav(l, "haven_labelled.sav"); write_sav(d, "haven.zsav", compress = "zsav")
write_dta(d, "haven_14.dta", version = 14); write_dta(l, "haven_labelled_13.dta", version = 13)
t <- d; t$score[3] <- tagged_na("a"); t$score[17] <- tagged_na("z"); write_dta(t, "haven_tagged.dta", version = 14)
write_xpt(d, "haven_5.xpt", version = 5); write_xpt(d, "haven_8.xpt", version = 8)
suppressWarnings(write_sas(d, "haven.sas7bdat"))
e <- d; e$label <- NULL
write.dta(e, "foreign.dta"); write.dta(transform(e, arm = factor(arm)), "foreign_factor.dta")
