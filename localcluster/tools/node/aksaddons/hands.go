package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
)

const (
	ownName       = "pitstop-aks-addons"
	selectedNode  = "volume.kubernetes.io/selected-node"
	provisionedBy = "pv.kubernetes.io/provisioned-by"
	// What tells a Secret that the driver made from one that somebody else did; the driver's own label.
	managedLabel  = "secrets-store.csi.k8s.io/managed"
	lbInternal    = "service.beta.kubernetes.io/azure-load-balancer-internal"
	lbAddress     = "service.beta.kubernetes.io/azure-load-balancer-ipv4"
	lbName        = "service.beta.kubernetes.io/azure-pip-name"
	diskMode      = 0o777 // a pod runs as any user, and fsGroup changes nothing of a hostPath
	publicRange   = "203.0.113.0/24"
	internalRange = "198.51.100.0/24"
)

var provisioners = []string{"disk.csi.azure.com", "file.csi.azure.com"}

type lister struct {
	services corelisters.ServiceLister
	claims   corelisters.PersistentVolumeClaimLister
	volumes  corelisters.PersistentVolumeLister
	pods     corelisters.PodLister
	classes  storagelisters.StorageClassLister
}

// hands do what AKS would do.
type hands struct {
	client kubernetes.Interface
	loose  dynamic.Interface
	cloud  *cloud
	look   *lister
	disks  string
	// entrances are the node ports that requests from the machine around the node come in by, for each port.
	entrances map[int32]int32
	said      complaints
}

// round brings everything a step further. What cannot be done now is tried in the next one.
func (hands *hands) round(ctx context.Context) {
	problems := map[string]error{}
	note := func(what string, err error) {
		if err != nil && !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			problems[what] = err
		}
	}
	hands.addresses(ctx, note)
	hands.provision(ctx, note)
	hands.reclaim(ctx, note)
	hands.secrets(ctx, note)
	hands.said.round(problems)
}

type noting func(what string, err error)

// addresses gives each Service of type LoadBalancer one that nobody else has.
func (hands *hands) addresses(ctx context.Context, note noting) {
	services, err := hands.look.services.List(labels.Everything())
	note("services", err)
	taken := map[string]bool{}
	entered := map[int32]bool{}
	for _, service := range services {
		for _, port := range service.Spec.Ports {
			entered[port.NodePort] = true
		}
		for _, ingress := range service.Status.LoadBalancer.Ingress {
			taken[ingress.IP] = true
		}
	}
	for _, service := range services {
		if service.Spec.Type != corev1.ServiceTypeLoadBalancer {
			continue
		}
		what := "service " + service.Namespace + "/" + service.Name
		if service.Annotations[lbInternal] != "true" {
			note(what, hands.enter(ctx, service, entered))
		}
		address, err := hands.address(service, taken)
		note(what, err)
		has := service.Status.LoadBalancer.Ingress
		if err != nil || (len(has) == 1 && has[0].IP == address) {
			continue
		}
		taken[address] = true
		patch := fmt.Sprintf(`{"status":{"loadBalancer":{"ingress":[{"ip":%q}]}}}`, address)
		_, err = hands.client.CoreV1().Services(service.Namespace).Patch(
			ctx, service.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
		note(what, err)
	}
}

// enter gives a Service's ports the node ports that the machine around the node leads to, where nobody has them.
func (hands *hands) enter(ctx context.Context, service *corev1.Service, entered map[int32]bool) error {
	for number, port := range service.Spec.Ports {
		wanted, known := hands.entrances[port.Port]
		if !known || entered[wanted] || port.Protocol != corev1.ProtocolTCP {
			continue
		}
		patch := fmt.Sprintf(`[{"op":"add","path":"/spec/ports/%d/nodePort","value":%d}]`, number, wanted)
		_, err := hands.client.CoreV1().Services(service.Namespace).Patch(
			ctx, service.Name, types.JSONPatchType, []byte(patch), metav1.PatchOptions{})
		if err != nil {
			return err
		}
		entered[wanted] = true
	}
	return nil
}

// address is the one a Service asks for, else the one it has, else a free one.
func (hands *hands) address(service *corev1.Service, taken map[string]bool) (string, error) {
	if asked := service.Annotations[lbAddress]; asked != "" {
		return strings.TrimSpace(strings.Split(asked, ",")[0]), nil
	}
	if asked := service.Annotations[lbName]; asked != "" {
		if found := hands.cloud.now().Addresses[asked]; found != "" {
			return found, nil
		}
		return "", fmt.Errorf("there is no public IP address %s", asked)
	}
	if asked := service.Spec.LoadBalancerIP; asked != "" {
		return asked, nil
	}
	if has := service.Status.LoadBalancer.Ingress; len(has) == 1 {
		return has[0].IP, nil
	}
	from := publicRange
	if service.Annotations[lbInternal] == "true" {
		from = internalRange
	}
	return free(from, taken)
}

// free is the first address of a range that is not taken; the first few are Azure's own.
func free(from string, taken map[string]bool) (string, error) {
	prefix, err := netip.ParsePrefix(from)
	if err != nil {
		return "", err
	}
	address := prefix.Addr()
	for range 10 {
		address = address.Next()
	}
	for ; prefix.Contains(address); address = address.Next() {
		if !taken[address.String()] {
			return address.String(), nil
		}
	}
	return "", fmt.Errorf("no address of %s is free", from)
}

// provision makes a folder, and the volume that leads to it, for each claim that waits for a disk.
func (hands *hands) provision(ctx context.Context, note noting) {
	claims, err := hands.look.claims.List(labels.Everything())
	note("claims", err)
	for _, claim := range claims {
		if claim.Status.Phase != corev1.ClaimPending || claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil {
			continue
		}
		if claim.Spec.StorageClassName == nil || claim.Annotations[selectedNode] == "" {
			continue
		}
		class, err := hands.look.classes.Get(*claim.Spec.StorageClassName)
		if err != nil || !slices.Contains(provisioners, class.Provisioner) {
			continue
		}
		note("claim "+claim.Namespace+"/"+claim.Name, hands.disk(ctx, claim, class.Provisioner))
	}
}

func (hands *hands) disk(ctx context.Context, claim *corev1.PersistentVolumeClaim, provisioner string) error {
	name := "pvc-" + string(claim.UID)
	folder := filepath.Join(hands.disks, name)
	if err := os.MkdirAll(folder, diskMode); err != nil {
		return err
	}
	if err := os.Chmod(folder, diskMode); err != nil { // whatever the umask is
		return err
	}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: ownName}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			AccessModes:                   claim.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			StorageClassName:              *claim.Spec.StorageClassName,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				HostPath: &corev1.HostPathVolumeSource{Path: folder},
			},
		},
	}
	_, err := hands.client.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	return err
}

// reclaim removes each disk whose claim is gone.
func (hands *hands) reclaim(ctx context.Context, note noting) {
	volumes, err := hands.look.volumes.List(labels.Everything())
	note("volumes", err)
	for _, volume := range volumes {
		ours := volume.Annotations[provisionedBy] == ownName && volume.Spec.HostPath != nil
		if !ours || volume.Status.Phase != corev1.VolumeReleased || volume.DeletionTimestamp != nil {
			continue
		}
		err := os.RemoveAll(filepath.Join(hands.disks, volume.Name))
		if err == nil {
			err = hands.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
		}
		note("volume "+volume.Name, err)
	}
}

// secretObject is one entry of a SecretProviderClass's `secretObjects`.
type secretObject struct {
	Name        string            `json:"secretName"`
	Type        string            `json:"type"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Data        []struct {
		Object string `json:"objectName"`
		Key    string `json:"key"`
	} `json:"data"`
}

// class is a SecretProviderClass.
type class struct {
	Spec struct {
		Provider   string            `json:"provider"`
		Parameters map[string]string `json:"parameters"`
		Objects    []secretObject    `json:"secretObjects"`
	} `json:"spec"`
}

func (hands *hands) class(ctx context.Context, namespace, name string) (class, error) {
	return readClass(ctx, hands.loose, namespace, name)
}

func readClass(ctx context.Context, client dynamic.Interface, namespace, name string) (class, error) {
	var read class
	found, err := client.Resource(classes).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return read, err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(found.UnstructuredContent(), &read); err != nil {
		return read, err
	}
	if read.Spec.Provider != "azure" {
		return read, fmt.Errorf("provider %q: only azure is played here", read.Spec.Provider)
	}
	return read, nil
}

func (read class) files(from azure) (map[string]string, error) {
	return from.files(read.Spec.Parameters["keyvaultName"], read.Spec.Parameters["objects"])
}

// secrets keeps the Secrets of each class that a pod mounts; as with the driver, a class alone makes none.
func (hands *hands) secrets(ctx context.Context, note noting) {
	pods, err := hands.look.pods.List(labels.Everything())
	note("pods", err)
	mounting := map[types.NamespacedName][]metav1.OwnerReference{}
	for _, pod := range pods {
		for _, volume := range pod.Spec.Volumes {
			if volume.CSI == nil || volume.CSI.Driver != driver || !scheduled(pod) {
				continue
			}
			key := types.NamespacedName{Namespace: pod.Namespace, Name: volume.CSI.VolumeAttributes[classAttribute]}
			mounting[key] = append(mounting[key], owner(pod))
		}
	}
	for key, owners := range mounting {
		what := "SecretProviderClass " + key.String()
		read, err := hands.class(ctx, key.Namespace, key.Name)
		if err != nil {
			note(what, err)
			continue
		}
		files, err := read.files(hands.cloud.now())
		if err != nil {
			note(what, err)
			continue
		}
		for _, asked := range read.Spec.Objects {
			note(what+", Secret "+asked.Name, hands.secret(ctx, key.Namespace, asked, files, owners))
		}
	}
}

// owner is what a pod belongs to, so that a Secret goes with the last that needs it.
func owner(pod *corev1.Pod) metav1.OwnerReference {
	if found := metav1.GetControllerOf(pod); found != nil {
		return metav1.OwnerReference{APIVersion: found.APIVersion, Kind: found.Kind, Name: found.Name, UID: found.UID}
	}
	return metav1.OwnerReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID}
}

// distinct orders owners and has each once, in a list of its own: the other Secrets of a class have the same.
func distinct(owners []metav1.OwnerReference) []metav1.OwnerReference {
	found := slices.Clone(owners)
	slices.SortFunc(found, func(a, b metav1.OwnerReference) int { return strings.Compare(string(a.UID), string(b.UID)) })
	return slices.CompactFunc(found, func(a, b metav1.OwnerReference) bool { return a.UID == b.UID })
}

// secret has one be as it should; one that somebody else made is left alone and said.
func (hands *hands) secret(
	ctx context.Context, namespace string, asked secretObject, files map[string]string, owners []metav1.OwnerReference,
) error {
	data := map[string]string{}
	for _, entry := range asked.Data {
		value, there := files[entry.Object]
		if !there {
			return fmt.Errorf("data of key %s: %s is none of the class's objects", entry.Key, entry.Object)
		}
		made, err := half(value, asked.Type, entry.Key)
		if err != nil {
			return err
		}
		data[entry.Key] = made
	}
	owners = distinct(owners)
	labels := map[string]string{managedLabel: "true"}
	maps.Copy(labels, asked.Labels)

	secrets := hands.client.CoreV1().Secrets(namespace)
	found, err := secrets.Get(ctx, asked.Name, metav1.GetOptions{})
	if err == nil && found.Labels[managedLabel] != "true" {
		return fmt.Errorf("exists already and was not made from the vault")
	}
	if err == nil && same(found, data, labels, asked.Annotations, owners) {
		return nil
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if err == nil && string(found.Type) != asked.Type { // a Secret's type never changes
		if err := secrets.Delete(ctx, asked.Name, metav1.DeleteOptions{}); err != nil {
			return err
		}
	}
	document := map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": asked.Type,
		"metadata": map[string]any{
			"name": asked.Name, "namespace": namespace, "labels": labels,
			"annotations": asked.Annotations, "ownerReferences": owners,
		},
	}
	encoded := map[string][]byte{}
	for key, value := range data {
		encoded[key] = []byte(value)
	}
	document["data"] = encoded
	text, err := json.Marshal(document)
	if err != nil {
		return err
	}
	force := true
	_, err = secrets.Patch(ctx, asked.Name, types.ApplyPatchType, text,
		metav1.PatchOptions{FieldManager: ownName, Force: &force})
	return err
}

func same(
	found *corev1.Secret, data, labels, annotations map[string]string, owners []metav1.OwnerReference,
) bool {
	if len(found.Data) != len(data) || len(found.OwnerReferences) != len(owners) {
		return false
	}
	for key, value := range data {
		if string(found.Data[key]) != value {
			return false
		}
	}
	for _, asked := range owners {
		if !slices.ContainsFunc(found.OwnerReferences, func(has metav1.OwnerReference) bool { return has.UID == asked.UID }) {
			return false
		}
	}
	return within(labels, found.Labels) && within(annotations, found.Annotations)
}

func within(asked, has map[string]string) bool {
	for key, value := range asked {
		if has[key] != value {
			return false
		}
	}
	return true
}
