export default {
  title: "ibgap",
  root: "src",
  globalStylesheets: [],
  search: false,
  sidebar: false,
  toc: false,
  pager: false,
  theme: "air"
};
