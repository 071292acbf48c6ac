//! The store as one process sees it.

use super::{
    ledger,
    process::{Call, Process},
    world::World,
};
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, path::Path,
};
use std::{fmt, sync::Arc};

/// Objects in memory, and between them and the process everything that may go wrong.
pub(super) struct SimulatedStore(Arc<Process>);

impl SimulatedStore {
    pub(super) fn new(process: Arc<Process>) -> Self {
        Self(process)
    }

    fn call(&self, doing: &str, path: Option<&Path>) -> Call {
        let name = path.map_or("", AsRef::as_ref);
        let short = name.split_once('/').map_or(name, |(_, rest)| rest);
        Call { name: format!("{doing} {short}"), lease: short.starts_with("leases"), late: None }
    }
}

fn refused(_: bool, why: &'static str) -> Error {
    Error::Generic { store: "simulated", source: why.into() }
}

/// A write that the store does when its client does not wait for it any more.
pub(super) struct LateWrite {
    at_ms: u64,
    path: Path,
    payload: PutPayload,
    options: PutOptions,
}

impl LateWrite {
    /// It will be done so much later.
    pub(super) fn by(mut self, world: &World, later_ms: u64) {
        self.at_ms = world.now_ms() + later_ms;
        world.lock(&world.late).push(self);
    }

    /// Does those whose time has come.
    pub(super) async fn land_due(world: &World) {
        let now_ms = world.now_ms();
        loop {
            let due = {
                let mut late = world.lock(&world.late);
                late.iter().position(|write| write.at_ms <= now_ms).map(|at| late.swap_remove(at))
            };
            let Some(write) = due else { return };
            let outcome = world.objects.put_opts(&write.path, write.payload, write.options).await;
            world.note(
                None,
                format!("late: put {} {}", write.path, if outcome.is_ok() { "done" } else { "refused" }),
            );
        }
    }
}

#[async_trait]
impl ObjectStore for SimulatedStore {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let (process, world) = (&self.0, &self.0.world);
        let late =
            LateWrite { at_ms: 0, path: path.clone(), payload: payload.clone(), options: options.clone() };
        let call = Call { late: Some(late), ..self.call("put", Some(path)) };
        let bytes: bytes::Bytes = payload.clone().into();
        ledger::about_to_put(process, path, &bytes);
        let work = async {
            let result = world.objects.put_opts(path, payload, options).await;
            if result.is_ok() {
                ledger::put(process, path, &bytes);
            }
            result
        };
        let answer = process.call(call, work, refused).await?;
        ledger::put_is_known(process, path, &bytes);
        Ok(answer)
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let work = self.0.world.objects.put_multipart_opts(path, options);
        self.0.call(self.call("multipart", Some(path)), work, refused).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        let work = self.0.world.objects.get_opts(path, options);
        self.0.call(self.call("get", Some(path)), work, refused).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let process = self.0.clone();
        let each = move |path: Path| {
            let process = process.clone();
            async move {
                let one = futures::stream::once(std::future::ready(Ok(path.clone()))).boxed();
                let work = async { process.world.objects.delete_stream(one).try_collect::<Vec<_>>().await };
                let call = Self(process.clone()).call("delete", Some(&path));
                process.call(call, work, refused).await?;
                Ok(path)
            }
        };
        paths.and_then(each).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (process, call, prefix) = (self.0.clone(), self.call("list", prefix), prefix.cloned());
        let listed = async move {
            let work = async { process.world.objects.list(prefix.as_ref()).try_collect::<Vec<_>>().await };
            let listed = process.call(call, work, refused).await?;
            Ok::<_, Error>(futures::stream::iter(listed.into_iter().map(Ok)))
        };
        futures::stream::once(listed).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let work = self.0.world.objects.list_with_delimiter(prefix);
        self.0.call(self.call("list", prefix), work, refused).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let work = self.0.world.objects.copy_opts(from, to, options);
        self.0.call(self.call("copy", Some(to)), work, refused).await
    }
}

impl fmt::Display for SimulatedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated")
    }
}

impl fmt::Debug for SimulatedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimulatedStore")
    }
}
