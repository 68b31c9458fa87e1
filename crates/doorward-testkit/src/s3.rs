//! An S3-compatible store inside of the test process: s3s over a folder, with
//! real signatures.
//!
//! It checks SigV4 and answers single ranges, suffixes and 416 as AWS does. It
//! ignores `If-Match` and `If-None-Match`, and sends no `Accept-Ranges`.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The access key that the store knows.
pub const ACCESS_KEY: &str = "AKTESTTESTTESTTEST";
/// Its secret.
pub const SECRET_KEY: &str = "SKTESTTESTTESTTESTTESTTESTTESTTEST";

/// A store that stops when it is dropped.
#[derive(Debug)]
pub struct S3Server {
    address: SocketAddr,
    root: PathBuf,
    requests: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl S3Server {
    /// Serves the folders in `root` as buckets, on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// When there is no port, or `root` is not a folder.
    pub async fn start(root: &Path) -> io::Result<Self> {
        let files = s3s_fs::FileSystem::new(root)
            .map_err(|error| io::Error::other(format!("{error:?}")))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // Without it, heads and bodies that are written apart wait 40 ms.
                let _ = socket.set_nodelay(true);
                let (service, counter) = (service.clone(), Arc::clone(&counter));
                let counted = service_fn(move |request: http::Request<Incoming>| {
                    counter.fetch_add(1, Ordering::Relaxed);
                    hyper::service::Service::call(&service, request)
                });
                tokio::spawn(async move {
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), counted)
                        .await;
                });
            }
        });
        Ok(Self {
            address,
            root: root.to_owned(),
            requests,
            task,
        })
    }

    /// `http://127.0.0.1:P`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests were made so far.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Puts an object into a bucket, which is made if it is not there, without a
    /// request.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.root.join(bucket).join(key);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, bytes)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}
