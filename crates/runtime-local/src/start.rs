//! The start of a dyno: its network taken, all of it prepared, and the keeper
//! told.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::fcntl::OFlag;
use nix::unistd::pipe2;
use runtime::{Attachment, DynoSpec, StartError, Started};
use tokio::task::spawn_blocking;

use crate::attach;
use crate::client::OrderError;
use crate::held::Held;
use crate::local::LocalRuntime;
use crate::network::{Sandbox, TakeError};
use crate::prepare::failed;
use crate::wire::{Answer, Order, Plan, PlanStdio, Refusal};

/// What the keeper did not start, or perhaps did.
enum NotStarted {
    /// Surely not.
    Refused(StartError),
    /// It may run, and nobody could use it.
    InDoubt(StartError),
}

impl LocalRuntime {
    pub(crate) async fn start_prepared(self: Arc<Self>, spec: DynoSpec) -> Result<Started, StartError> {
        let sandbox = self.pool.take().await.map_err(|error| match error {
            TakeError::Full { limit } => StartError::NoNetwork { limit },
            TakeError::Make(source) => failed("make its network", source),
            TakeError::Gone => StartError::Failed { what: error.to_string(), source: None },
        })?;
        let Sandbox { slot, address, netns } = sandbox;
        let id = spec.id;
        let this = Arc::clone(&self);
        let prepared = spawn_blocking(move || this.prepare(&spec, slot, address)).await;
        let plan = match prepared {
            Ok(Ok(plan)) => plan,
            Ok(Err(error)) => {
                self.pool.put_back(slot, address, Some(netns));
                return Err(error);
            }
            Err(panicked) => return Err(failed("prepare it", io::Error::other(panicked))),
        };
        let held = Held::of(&plan.record, 0);
        match self.carry_out(plan, netns).await {
            Ok((pid, attachment)) => {
                self.held().insert(id, Held { pid, ..held });
                Ok(Started { address: IpAddr::V4(address), attachment })
            }
            Err(NotStarted::Refused(error)) => {
                self.free(id, held, None).await;
                Err(error)
            }
            Err(NotStarted::InDoubt(error)) => {
                self.doubt(id, held).await;
                Err(error)
            }
        }
    }

    /// Has the keeper start it. Returns pid 1 and the client's end.
    async fn carry_out(&self, plan: Plan, netns: OwnedFd) -> Result<(i32, Option<Attachment>), NotStarted> {
        let pipe =
            || pipe2(OFlag::O_CLOEXEC).map_err(|errno| NotStarted::Refused(failed("make its pipes", errno.into())));
        let mut descriptors = vec![netns];
        let stdio = plan.stdio;
        let (mut streams, mut lifeline) = (None, None);
        if let PlanStdio::Pipes = stdio {
            let ((stdin, input), (output, stdout)) = (pipe()?, pipe()?);
            descriptors.extend([stdin, stdout]);
            streams = Some((input, output));
        }
        if !matches!(stdio, PlanStdio::Logged) {
            let (theirs, ours) = pipe()?;
            descriptors.push(theirs);
            lifeline = Some(ours);
        }
        let outcome = self.control().order(Order::Start { plan: Box::new(plan) }, descriptors).await;
        let (pid, master) = match outcome {
            Ok(Ok((Answer::Started(pid), mut descriptors))) => (pid, descriptors.pop()),
            Ok(Ok(_)) => {
                let what = "the keeper's answer makes no sense".to_owned();
                return Err(NotStarted::InDoubt(StartError::Failed { what, source: None }));
            }
            Ok(Err(Refusal { what, code, .. })) => {
                let source = code.map(io::Error::from_raw_os_error);
                return Err(NotStarted::Refused(StartError::Failed { what, source }));
            }
            Err(OrderError::NotSent(source)) => return Err(NotStarted::Refused(failed("reach the keeper", source))),
            Err(error @ OrderError::Lost) => {
                return Err(NotStarted::InDoubt(failed("hear from the keeper", io::Error::other(error))));
            }
        };
        let attachment = match (streams, master, lifeline) {
            (Some((input, output)), _, Some(lifeline)) => Some(attach::pipes(input, output, lifeline)),
            (None, Some(master), Some(lifeline)) => Some(attach::terminal(master, lifeline)),
            _ => None,
        };
        let attachment = attachment.transpose();
        Ok((pid, attachment.map_err(|source| NotStarted::InDoubt(failed("attach to it", source)))?))
    }
}
