//! The one table of all settings.

use std::path::PathBuf;

use stack::Stack;

use crate::place;
use crate::read::Reader;
use crate::value::{Addresses, Bytes, HostName, Span, Value, Variables};

/// One setting, as flags, variables, files and docs show it.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The key in the configuration file: `data_dir`.
    pub name: &'static str,
    pub group: &'static str,
    /// One sentence or two, without markup.
    pub meaning: &'static str,
    /// What stands for the value in help texts: `DIR`.
    pub placeholder: &'static str,
    pub fallback: Fallback,
    /// Whether it takes several values: the flag may be repeated.
    pub is_list: bool,
}

/// What holds when nobody sets it.
#[derive(Debug, Clone, Copy)]
pub enum Fallback {
    Text(&'static str),
    /// Found out at start; the text describes it.
    Computed(fn() -> String, &'static str),
    /// Nothing; the text says what that means.
    Nothing(&'static str),
}

impl Setting {
    /// `--data-dir` without the dashes in front.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// `RENGA_DATA_DIR`.
    pub fn variable(&self) -> String {
        format!("RENGA_{}", self.name.to_ascii_uppercase())
    }
}

macro_rules! settings {
    ($($group:literal { $( $(#[doc = $meaning:literal])+ $name:ident: $kind:ty, $placeholder:literal, $fallback:expr; )+ })+) => {
        /// All settings, each a value of its type.
        #[derive(Debug, Clone)]
        pub struct Configuration {
            $($( $(#[doc = $meaning])+ pub $name: $kind, )+)+
        }

        /// All settings, in the order of the docs.
        pub const SETTINGS: &[Setting] = &[
            $($(
                Setting {
                    name: stringify!($name),
                    group: $group,
                    meaning: concat!($($meaning),+),
                    placeholder: $placeholder,
                    fallback: $fallback,
                    is_list: <$kind as Value>::IS_LIST,
                },
            )+)+
        ];

        impl Configuration {
            /// `None` if something is wrong, which the reader has noted.
            pub(crate) fn take(reader: &mut Reader<'_>) -> Option<Self> {
                // All are read before the first that is wrong ends it.
                $($( let $name = reader.take(stringify!($name)); )+)+
                Some(Self { $($( $name: $name?, )+)+ })
            }
        }
    };
}

use Fallback::{Computed, Nothing, Text};

settings! {
    "Places" {
        /// Where all state lies.
        data_dir: PathBuf, "DIR", Computed(place::default_data_dir, "/var/lib/renga as root, else $XDG_DATA_HOME/renga");
        /// Where stacks lie, shared by the servers of a machine.
        stack_dir: PathBuf, "DIR", Text(stack::DEFAULT_STACK_DIR);
    }
    "Network and names" {
        /// Addresses to listen on; each takes HTTP and TLS alike.
        listen: Addresses, "ADDR:PORT", Text("127.0.0.1:5000");
        /// Apps answer at APP.DOMAIN. They go on answering at APP.localhost, for programs on this machine.
        domain: HostName, "NAME", Text("localhost");
        /// The platform's own name, for API and git.
        host: Option<HostName>, "NAME", Nothing("renga.DOMAIN, or localhost");
        /// A certificate chain (PEM) of the operator's own, used for the names that it is good for; read again when
        /// it changes.
        tls_cert: Option<PathBuf>, "FILE", Nothing("all from the local authority");
        /// The private key (PEM) of that certificate.
        tls_key: Option<PathBuf>, "FILE", Nothing("none");
    }
    "Builds" {
        /// The stack of new apps: debian-13, or host (this machine's own /usr).
        stack: Stack, "NAME", Text(Stack::DEFAULT.name());
        /// Builds that run at the same time; others wait for their turn.
        concurrent_builds: usize, "N", Text("2");
        /// How long a build may take.
        build_time: Span, "TIME", Text("15m");
        /// Memory that a build may use.
        build_memory: Bytes, "SIZE", Text("2560MiB");
        /// Disk that a build may use: source, dependencies, cache and what it makes, together.
        build_disk: Bytes, "SIZE", Text("10GiB");
        /// The largest slug, compressed.
        slug_size: Bytes, "SIZE", Text("1GiB");
        /// A larger build cache is thrown away after the build.
        build_cache: Bytes, "SIZE", Text("2GiB");
        /// Whether sources and buildpacks may be fetched from private addresses: the operator's own network, or this
        /// machine.
        allow_private_sources: bool, "BOOL", Text("false");
        /// What names of buildpacks stand for, beside those that every platform knows (TOML). Read again when it changes.
        buildpack_registry: Option<PathBuf>, "FILE", Nothing("buildpacks.toml in the data directory, if it is there");
        /// Fetched buildpacks are kept up to this size, all together.
        buildpack_cache: Bytes, "SIZE", Text("1GiB");
        /// Variables that builds get: names out of the server's environment, or NAME=VALUE, divided by commas.
        build_env: Variables, "NAMES", Nothing("those of proxies and registries");
        /// A Debian mirror to make stacks from.
        debian_mirror: Option<String>, "URL", Nothing("Debian's own servers");
    }
    "Dynos" {
        /// Unpack slugs and stacks in place of mounting them: for kernels that mount them but badly. Where a kernel
        /// can't mount them at all, this is found out without the setting.
        unpack_images: bool, "BOOL", Text("false");
    }
    "Disk" {
        /// So many of an app's newest releases can be rolled back to.
        keep_releases: usize, "N", Text("20");
        /// Older releases can be rolled back to until this long after they were made.
        keep_releases_for: Span, "TIME", Text("30d");
        /// All slugs of an app together; beyond it older releases expire before their time.
        keep_releases_size: Bytes, "SIZE", Text("10GiB");
        /// All build caches together; those that were not used for longest go first.
        build_caches: Bytes, "SIZE", Text("20GiB");
    }
    "The server itself" {
        /// What the server writes about itself: error, warn, info, debug, or a filter such as info,platform=debug.
        log: String, "FILTER", Text("info");
    }
}
