//! What is fixed at the start: sockets, folders, and how the store is kept.

use vestibule_config::Settings;

/// Puts the running values back into new settings, and names the keys whose new values wait for a restart.
pub(super) fn keep(new: &mut Settings, running: &Settings) -> Vec<&'static str> {
    let mut waiting = Vec::new();
    if new.server.listen != running.server.listen {
        new.server.listen.clone_from(&running.server.listen);
        waiting.push("server.listen");
    }
    if new.server.data_dir != running.server.data_dir {
        new.server.data_dir.clone_from(&running.server.data_dir);
        waiting.push("server.data_dir");
    }
    if new.logs.sync != running.logs.sync {
        new.logs.sync = running.logs.sync;
        waiting.push("logs.sync");
    }
    if new.admin.listen != running.admin.listen {
        new.admin.listen = running.admin.listen;
        waiting.push("admin.listen");
    }
    // Else a port that is open to others could come to speak in clear.
    if new.admin.tls.is_some() != running.admin.tls.is_some() {
        new.admin.tls.clone_from(&running.admin.tls);
        waiting.push("admin.tls");
    }
    waiting
}
