/* Pairs as they were drawn: independent conditional flow matching (Tong et al., TMLR 2024, section 3.2.1). */
#include "../coupling_impl.h"

const RheoCouplingType RheoCouplingType_Independent = {
    .name = "independent",
    .summary = "pairs as they were drawn",
    .reference = "Tong et al., TMLR 2024 (I-CFM)",
};
