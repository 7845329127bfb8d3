package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/client-go/dynamic"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

const (
	driver         = "secrets-store.csi.k8s.io"
	classAttribute = "secretProviderClass"
	podNamespace   = "csi.storage.k8s.io/pod.namespace"
	fileMode       = 0o644 // as the driver's: who reads it is decided by which pod it is mounted in
)

// serve answers the kubelet until it cannot: first who we are, then what to mount.
func serve(asked settings, cloud *cloud, client dynamic.Interface) error {
	endpoint := filepath.Join(asked.kubelet, "plugins", driver, "csi.sock")
	plugin := &plugin{node: asked.node, endpoint: endpoint, cloud: cloud, client: client}
	mounts := grpc.NewServer()
	csi.RegisterIdentityServer(mounts, plugin)
	csi.RegisterNodeServer(mounts, plugin)
	mounting, err := listen(endpoint)
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- mounts.Serve(mounting) }()

	presence := grpc.NewServer()
	registration.RegisterRegistrationServer(presence, plugin)
	registering, err := listen(filepath.Join(asked.kubelet, "plugins_registry", driver+"-reg.sock"))
	if err != nil {
		return err
	}
	go func() { ended <- presence.Serve(registering) }()
	return <-ended
}

func listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err // a socket that an earlier process left
	}
	return net.Listen("unix", path)
}

type plugin struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedNodeServer
	registration.UnimplementedRegistrationServer
	node     string
	endpoint string
	cloud    *cloud
	client   dynamic.Interface
}

func (plugin *plugin) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: driver, Endpoint: plugin.endpoint, SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (plugin *plugin) NotifyRegistrationStatus(
	context.Context, *registration.RegistrationStatus,
) (*registration.RegistrationStatusResponse, error) {
	return &registration.RegistrationStatusResponse{}, nil
}

func (plugin *plugin) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: driver, VendorVersion: "1"}, nil
}

func (plugin *plugin) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

func (plugin *plugin) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: plugin.node}, nil
}

func (plugin *plugin) NodeGetCapabilities(
	context.Context, *csi.NodeGetCapabilitiesRequest,
) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{}, nil
}

// NodePublishVolume mounts the values of a class. The kubelet asks again, so that new values arrive:
// the CSIDriver object says requiresRepublish.
func (plugin *plugin) NodePublishVolume(
	ctx context.Context, asked *csi.NodePublishVolumeRequest,
) (*csi.NodePublishVolumeResponse, error) {
	around := asked.GetVolumeContext()
	read, err := readClass(ctx, plugin.client, around[podNamespace], around[classAttribute])
	if err != nil {
		return nil, status.Errorf(codes.FailedPrecondition, "SecretProviderClass %s: %v", around[classAttribute], err)
	}
	files, err := read.files(plugin.cloud.now())
	if err != nil {
		return nil, status.Errorf(codes.FailedPrecondition, "SecretProviderClass %s: %v", around[classAttribute], err)
	}
	if err := place(asked.GetTargetPath(), files); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

// NodeUnpublishVolume takes the mount away; one that is gone already is no error.
func (plugin *plugin) NodeUnpublishVolume(
	_ context.Context, asked *csi.NodeUnpublishVolumeRequest,
) (*csi.NodeUnpublishVolumeResponse, error) {
	target := asked.GetTargetPath()
	err := unix.Unmount(target, 0)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return nil, status.Error(codes.Internal, fmt.Sprintf("%s: %v", target, err))
	}
	if err := os.RemoveAll(target); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// place writes the files, each in one rename, on a file system in memory mounted at the target.
func place(target string, files map[string]string) error {
	if !mounted(target) {
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("tmpfs", target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "size=1m,mode=755"); err != nil {
			return err
		}
	}
	for name, value := range files {
		path := filepath.Join(target, filepath.Base(name))
		if has, err := os.ReadFile(path); err == nil && string(has) == value {
			continue
		}
		if err := os.WriteFile(path+".new", []byte(value), fileMode); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
	}
	return nil
}

// mounted tells whether a folder is on another file system than the one it lies in.
func mounted(folder string) bool {
	var own, above unix.Stat_t
	if unix.Stat(folder, &own) != nil || unix.Stat(filepath.Dir(folder), &above) != nil {
		return false
	}
	return own.Dev != above.Dev
}
