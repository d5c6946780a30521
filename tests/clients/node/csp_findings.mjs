// Reads policies as a JSON array from standard input; writes what csp_evaluator finds in each:
// [[severity, value or directive], ...], worst first.
import { readFileSync } from "node:fs";

import { CspEvaluator } from "csp_evaluator/dist/evaluator.js";
import { Severity } from "csp_evaluator/dist/finding.js";
import parser from "csp_evaluator/dist/parser.js";

const policies = JSON.parse(readFileSync(0, "utf8"));
const found = policies.map((policy) =>
  new CspEvaluator(new parser.CspParser(policy).csp)
    .evaluate()
    .sort((one, other) => one.severity - other.severity)
    .map((each) => [Severity[each.severity], each.value ?? each.directive]),
);
console.log(JSON.stringify(found));
