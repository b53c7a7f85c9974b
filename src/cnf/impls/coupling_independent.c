/* Rows as they come: row i of the source with row i of the data (Tong et al. 2024, I-CFM). */
#include "../coupling_impl.h"

const RheoCouplingType RheoCouplingType_Independent = {
    .name = "independent",
    .summary = "rows as they come",
    .reference = "Tong et al. 2024",
};
