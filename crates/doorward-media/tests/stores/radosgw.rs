//! Ceph's gateway on one monitor and one store in memory.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{ACCESS_KEY, Direct, Running, SECRET_KEY, free_port, skipped, until};

const CLUSTER: &str = "1a0023f8-7207-4af3-be18-6262878b766b";

pub(crate) struct Radosgw {
    pub(crate) store: Direct,
    // Ended in this order.
    _programs: Vec<Running>,
    _folder: tempfile::TempDir,
}

impl Radosgw {
    /// None where it is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let missing = ["radosgw", "ceph-mon", "ceph-osd", "ceph", "setpriv"]
            .into_iter()
            .find(|program| {
                Command::new(program)
                    .arg("--version")
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status()
                    .is_err()
            });
        if let Some(program) = missing {
            skipped(
                program,
                "apt-get install radosgw ceph-mon ceph-osd ceph-common",
            );
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let (at, store) = (folder.path(), Direct { port: free_port() });
        let mut programs = Vec::new();
        Self::monitor(at, store.port, &mut programs).await;
        Self::disk(at, &mut programs).await;
        programs.insert(0, daemon(at, "radosgw", &["-n", "client.rgw.a"]));
        until("radosgw", async || {
            assert!(!programs[0].has_ended(), "radosgw ended");
            store.is_up().await
        })
        .await;
        let user = [
            "user",
            "create",
            "--uid=t",
            "--display-name=t",
            &format!("--access-key={ACCESS_KEY}"),
            &format!("--secret={SECRET_KEY}"),
        ];
        let words = [["-n", "client.admin"].as_slice(), &user].concat();
        assert!(tool(at, "radosgw-admin", &words), "no user");
        Some(Self {
            store,
            _programs: programs,
            _folder: folder,
        })
    }

    async fn monitor(at: &Path, port: u16, programs: &mut Vec<Running>) {
        for name in ["run", "mon", "osd", "rgw"] {
            fs::create_dir(at.join(name)).unwrap();
        }
        let (v2, v1) = (free_port(), free_port());
        fs::write(at.join("ceph.conf"), config(at, port, v2, v1)).unwrap();
        for (name, caps) in [
            ("client.admin", ["mon", "osd", "mgr", "mds"].as_slice()),
            ("client.rgw.a", &["mon", "osd"]),
            ("osd.0", &["mon", "osd"]),
            ("mon.", &["mon"]),
        ] {
            let mut words = vec!["admin.keyring", "--gen-key", "-n", name];
            if name == "client.admin" {
                words.insert(0, "--create-keyring");
            }
            for cap in caps {
                words.extend(["--cap", cap, "allow *"]);
            }
            assert!(plain(at, "ceph-authtool", &words), "no key for {name}");
        }
        let addresses = format!("[v2:127.0.0.1:{v2},v1:127.0.0.1:{v1}]");
        let map = [
            "--create", "--fsid", CLUSTER, "--addv", "a", &addresses, "monmap",
        ];
        assert!(plain(at, "monmaptool", &map), "no map of monitors");
        let make = ["--mkfs", "-i", "a", "--monmap", "monmap"];
        assert!(tool(at, "ceph-mon", &make), "no monitor");
        programs.push(daemon(at, "ceph-mon", &["-i", "a"]));
        let v2 = Direct { port: v2 };
        until("ceph-mon", async || v2.is_up().await).await;
    }

    async fn disk(at: &Path, programs: &mut Vec<Running>) {
        let id = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
        let id = id.trim();
        until("the monitor", async || {
            tool(at, "ceph", &["--connect-timeout", "5", "osd", "new", id])
        })
        .await;
        let make = ["-i", "0", "--mkfs", "--osd-uuid", id];
        assert!(tool(at, "ceph-osd", &make), "no disk");
        let place = [
            "osd",
            "crush",
            "add",
            "osd.0",
            "1.0",
            "root=default",
            "host=h",
        ];
        assert!(tool(at, "ceph", &place), "no place for the disk");
        programs.insert(0, daemon(at, "ceph-osd", &["-i", "0"]));
        until("the disk", async || {
            let said = Command::new("ceph")
                .args(["-c", "ceph.conf", "--connect-timeout", "5", "osd", "stat"])
                .current_dir(at)
                .output()
                .unwrap();
            String::from_utf8_lossy(&said.stdout).contains("1 up")
        })
        .await;
    }
}

fn config(at: &Path, port: u16, v2: u16, v1: u16) -> String {
    let at = at.display();
    format!(
        "[global]
fsid={CLUSTER}
mon_host=[v2:127.0.0.1:{v2}/0,v1:127.0.0.1:{v1}/0]
auth_cluster_required=cephx
auth_service_required=cephx
auth_client_required=cephx
osd_pool_default_size=1
osd_pool_default_min_size=1
osd_pool_default_pg_num=1
osd_pool_default_pgp_num=1
osd_crush_chooseleaf_type=0
mon_allow_pool_size_one=true
mon_warn_on_pool_no_redundancy=false
run_dir={at}/run
admin_socket={at}/run/$name.asok
log_file={at}/$name.log
pid_file={at}/run/$name.pid
crash_dir={at}/run
ms_bind_ipv6=false
public_addr=127.0.0.1
cluster_addr=127.0.0.1
keyring={at}/admin.keyring
[mon.a]
mon_data={at}/mon
[osd.0]
osd_data={at}/osd
osd_objectstore=memstore
memstore_device_bytes=1073741824
osd_class_load_list=*
osd_class_default_list=*
[client.rgw.a]
rgw_frontends=beast endpoint=127.0.0.1:{port}
rgw_data={at}/rgw
rgw_dns_name=localhost
rgw_enable_usage_log=false
"
    )
}

fn daemon(at: &Path, program: &str, words: &[&str]) -> Running {
    let words = [["-c", "ceph.conf", "-f"].as_slice(), words].concat();
    Running::start(Path::new(program), &words, at)
}

/// With the cluster's configuration. Did it succeed?
fn tool(at: &Path, program: &str, words: &[&str]) -> bool {
    plain(
        at,
        program,
        &[["-c", "ceph.conf"].as_slice(), words].concat(),
    )
}

fn plain(at: &Path, program: &str, words: &[&str]) -> bool {
    Command::new(program)
        .args(words)
        .current_dir(at)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}
