//! Prints the view models as TypeScript. Run by `cargo xtask generate`.

use doorward_operator::gateway::{AuthKind, AuthStrength, Effect};
use doorward_operator::report::ReportStatus;
use doorward_operator::transcript::Kind;
use doorward_operator::vm::{
    AuditRowVm, AuthMethodVm, CallResultVm, CapVm, ChoiceVm, DenialVm, FieldKindVm, FieldVm,
    GatewayVm, HealthState, HealthVm, LaunchGrantVm, LaunchVm, LauncherVm, LoginVm, OperationVm,
    OwnerState, OwnerVm, PairVm, ReportVm, ServiceVm, SessionVm, Shape, StateVm, StepVm,
    TranscriptRowVm,
};
use ts_rs::{Config, TS};

fn declared<T: TS>() -> String {
    let docs = T::docs().unwrap_or_default();
    format!("\n{docs}export {}\n", T::decl(&Config::new()))
}

macro_rules! all {
    ($($name:ty),* $(,)?) => { [$(declared::<$name>()),*] };
}

fn main() {
    let declarations = all![
        StateVm,
        OwnerVm,
        OwnerState,
        GatewayVm,
        ChoiceVm,
        AuthMethodVm,
        AuthKind,
        SessionVm,
        AuthStrength,
        StepVm,
        CapVm,
        OperationVm,
        Effect,
        FieldVm,
        FieldKindVm,
        CallResultVm,
        Shape,
        PairVm,
        DenialVm,
        LoginVm,
        TranscriptRowVm,
        Kind,
        AuditRowVm,
        ServiceVm,
        LauncherVm,
        LaunchGrantVm,
        LaunchVm,
        HealthVm,
        HealthState,
        ReportVm,
        ReportStatus,
    ];
    println!("// What the daemon says of gateways. Written by `cargo xtask generate`.");
    for declaration in declarations {
        print!("{declaration}");
    }
}
