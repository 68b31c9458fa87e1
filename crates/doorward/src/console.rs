//! The console's surfaces on the control listener: its files, the session, and
//! what the house tells about itself. The rooms bring their own.

mod events;
mod files;
mod house;
mod session;

use doorward_guard::guard::MountError;

use crate::bridge::Bridge;

/// Mounts the console on a bridge.
///
/// # Errors
///
/// When one of its prefixes is taken.
pub(crate) fn mount(bridge: &mut Bridge) -> Result<(), MountError> {
    let house = bridge.house();
    bridge.mount(session::claim(&house))?;
    bridge.mount(session::revoke(&house))?;
    bridge.mount(events::surface(&house))?;
    bridge.mount(house::state(&house))?;
    bridge.mount(house::routes(&house))?;
    bridge.mount(house::audit(&house))?;
    bridge.mount(house.media().sources_surface(house.sessions()))?;
    bridge.mount(house.media().grants_surface(house.sessions()))?;
    bridge.mount(house.relay().console_surface(house.sessions()))?;
    bridge.mount(house.operator().surface(house.sessions()))?;
    bridge.mount(house.operator().call_surface(house.sessions()))?;
    bridge.mount(house.operator().login_surface(house.sessions()))?;
    if let Some(companion) = house.companion() {
        bridge.mount(companion.console_surface(house.sessions()))?;
    }
    bridge.mount(files::surface(&house))
}
