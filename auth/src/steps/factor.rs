//! The second factor: a code of the person's own device.

use std::time::Duration;

use crate::gate::Gate;
use crate::sign_in::Verified;
use crate::totp;
use crate::verdict::{Kind, Reason, Refusal};

/// How long a client waits where the state cannot be written.
const STATE_WAIT: Duration = Duration::from_secs(1);

impl Gate {
    /// Whether the code is one of now that was never taken before.
    pub(super) async fn is_of_device(&self, verified: &Verified, typed: &str) -> Result<(), Refusal> {
        let wrong = || self.refuse(Reason::SecondFactorFailed, Kind::SignIn, "second_factor");
        let email = verified.sign_in.email.clone().ok_or_else(wrong)?;
        let secret = self.people.get(&*email).and_then(|user| user.totp.as_ref()).ok_or_else(wrong)?;
        let step = totp::step_of(secret.expose(), typed, self.core.clock.now()).ok_or_else(wrong)?;
        let core = self.core.clone();
        // Noting it waits for the disk, which the threads that serve requests must not.
        let taken = tokio::task::spawn_blocking(move || core.totp.take(&email, step)).await;
        match taken {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(wrong()),
            Ok(Err(error)) => Err(self.unwritten(&error)),
            Err(error) => Err(self.unwritten(&error)),
        }
    }

    fn unwritten(&self, error: &dyn std::error::Error) -> Refusal {
        tracing::error!(error = %error, "the use of a code cannot be noted");
        self.refuse(Reason::LogUnavailable, Kind::Unavailable(STATE_WAIT), "second_factor")
    }
}
