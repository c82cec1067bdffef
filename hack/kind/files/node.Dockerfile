# The kind node without its images: kind's own files on a Debian root file system, and the programs that were compiled here.
ARG ROOTFS
FROM ${ROOTFS}
ENV container=docker
COPY files/usr/local/bin/ /usr/local/bin/
COPY files/kind/ /kind/
COPY files/etc/ /etc/

# Only kubelet, containerd and kind's mount fixes start; what a container must not do at boot is removed.
RUN chmod 755 /usr/local/bin/* /kind/bin /kind/bin/* && chmod 644 /etc/systemd/system/*.service \
 && find /lib/systemd/system/sysinit.target.wants/ -name systemd-tmpfiles-setup.service -delete \
 && rm -f /lib/systemd/system/multi-user.target.wants/* /etc/systemd/system/*.wants/* \
      /lib/systemd/system/local-fs.target.wants/* /lib/systemd/system/sockets.target.wants/*udev* \
      /lib/systemd/system/sockets.target.wants/*initctl* /lib/systemd/system/basic.target.wants/* \
 && echo ReadKMsg=no >> /etc/systemd/journald.conf \
 && systemctl enable kubelet.service containerd.service undo-mount-hacks.service \
 && systemctl mask systemd-binfmt.service \
 && update-alternatives --set iptables /usr/sbin/iptables-nft

# kind's files name the containerd of its own base image; lowering an OOM score needs a capability the host may lack.
ARG PAUSE
RUN sed -i 's#/usr/local/bin/containerd#/usr/bin/containerd#' /etc/systemd/system/containerd.service \
 && sed -i "s/restrict_oom_score_adj = false/restrict_oom_score_adj = true/; s#pause:[0-9.]*\"#pause:${PAUSE}\"#" /etc/containerd/config.toml \
 && mkdir -p /etc/kubernetes/manifests /opt/cni/bin && cp /usr/lib/cni/* /opt/cni/bin/ \
 && ctr oci spec \
    | jq '.hooks.createContainer[.hooks.createContainer | length] |= . + {"path": "/kind/bin/mount-product-files.sh"}' \
    | jq 'del(.process.rlimits)' > /etc/containerd/cri-base.json

COPY bin/ /usr/bin/
COPY cni/ /opt/cni/bin/
COPY manifests/ /kind/manifests/
ARG VERSION
RUN echo "v${VERSION}" > /kind/version && rm -f /etc/machine-id && touch /etc/machine-id
ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]
STOPSIGNAL SIGRTMIN+3
